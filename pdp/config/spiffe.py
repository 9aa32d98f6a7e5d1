"""The configuration of workloads that are known by SPIFFE: whose word is believed for whom, and what they become."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from pdp.config.paths import path_of
from pdp.documents import Node, Table
from pdp.documents.fields import entries_of, optional_type

SPIFFE_ID: Final = "spiffe_id"
PATH: Final = "path"
TRUST_DOMAIN: Final = "trust_domain"

_TRUST_DOMAIN_HELP: Final = "a trust domain is written in `a-z0-9.-_`, without `spiffe://`"


@final
@dataclass(frozen=True, slots=True)
class TrustDomainConfig:
    """A trust domain whose workloads are believed, and what they are in Cedar."""

    bundle: Path
    """Its keys: a SPIFFE bundle (a JWK Set with `use` `x509-svid` and `jwt-svid`). Read again when it changes; its
    `spiffe_sequence` must not go back."""
    type: str = "Workload"
    """The entity type of its workloads."""
    id: str = SPIFFE_ID
    """What their entity ids are: `spiffe_id`, the whole of it, or `path`, which is one only within the trust domain: no
    other trust domain may then have the same `type`."""


@final
@dataclass(frozen=True, slots=True)
class SpiffeConfig:
    """Workloads as subjects. In the file, `trust_domain`, `bundle`, `type` and `id` are our own trust domain's, and
    `federation` has the others by name. Nobody vouches for the workloads of another trust domain than its own.
    """

    trust_domain: str
    """Our own."""
    domains: Mapping[str, TrustDomainConfig]
    """All trust domains that are believed, by name; our own is one."""
    audience: str | None = None
    """What `aud` of a JWT-SVID must be or contain. Without it, JWT-SVIDs are not accepted."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the attributes of a workload are, by their names: `spiffe_id`, `trust_domain` or `path`. None by default."""


def read_spiffe(node: Node | None, base: Path) -> SpiffeConfig | None:
    """The section `identity.spiffe`, None if there is none. Raises DocumentError."""
    if node is None:
        return None
    with node.table() as table:
        own = table.require("trust_domain")
        domains = {_trust_domain(own): _domain(table, base)}
        for name, item in entries_of(table, "federation"):
            if _refused_name(name):
                item.refuse_key("this is no name of a trust domain", _TRUST_DOMAIN_HELP)
            if name in domains:
                item.refuse_key("this is our own trust domain", "its keys are those of `bundle`")
            with item.table() as foreign:
                domains[name] = _domain(foreign, base)
            _refuse_confusion(item, name, domains)
        audience = table.get("audience")
        return SpiffeConfig(
            own.text(),
            domains,
            audience=None if audience is None else audience.text(),
            attributes={
                name: item.choice((SPIFFE_ID, TRUST_DOMAIN, PATH)) for name, item in entries_of(table, "attributes")
            },
        )


def _trust_domain(node: Node) -> str:
    if _refused_name(node.text()):
        node.refuse("this is no name of a trust domain", _TRUST_DOMAIN_HELP)
    return node.text()


def _domain(table: Table, base: Path) -> TrustDomainConfig:
    default = TrustDomainConfig(Path())
    id = table.get("id")
    return TrustDomainConfig(
        bundle=path_of(table.require("bundle"), base),
        type=optional_type(table, "type", default.type),
        id=default.id if id is None else id.choice((SPIFFE_ID, PATH)),
    )


def _refuse_confusion(node: Node, name: str, domains: Mapping[str, TrustDomainConfig]) -> None:
    """INVARIANT: two workloads are never one entity. Ids that are paths could be those of another trust domain."""
    added = domains[name]
    for other, config in domains.items():
        if other == name:
            continue
        if config.bundle == added.bundle:
            node.refuse("its keys are the file of another trust domain", "each trust domain has a bundle of its own")
        if config.type == added.type and PATH in {config.id, added.id}:
            node.refuse(
                f"its workloads could be taken for those of `{other}`, which have the same type `{config.type}`",
                "give each trust domain a `type` of its own, or let `id` be `spiffe_id`",
            )


_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def _refused_name(name: str) -> bool:
    return not 1 <= len(name) <= 255 or not _LETTERS.issuperset(name)
