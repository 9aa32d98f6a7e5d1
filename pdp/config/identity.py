"""The configuration of identity: who is believed, and how a verified token becomes a Cedar entity."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from pdp.cedar.values import brief
from pdp.config.credentials import DpopConfig, read_dpop
from pdp.config.issuers import IssuerConfig, PrincipalConfig, read_issuer
from pdp.config.paths import path_of
from pdp.config.spiffe import SPIFFE_ID, SpiffeConfig, read_spiffe
from pdp.documents import Node, Table

_LEEWAY: Final = 5_000

MAX_ISSUERS: Final = 64
"""Issuers at most: each one with keys at a URL has a thread of its own."""


@final
@dataclass(frozen=True, slots=True)
class TokenCacheConfig:
    """Verified tokens that are remembered, so that the same token is not verified again."""

    entries: int = 10_000
    """Tokens at most, up to 1,000,000; 0 remembers none."""
    characters: int = 16 * 1024 * 1024
    """Characters of those tokens at most, all together. What is kept of a token is about as long as the token."""


@final
@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Who is believed."""

    issuers: tuple[IssuerConfig, ...]
    """Whose tokens are accepted. In the file, one issuer may stand in the section itself; several are a list."""
    leeway: int = _LEEWAY
    """How far (ms) the clocks of issuers and clients may differ from ours, at most 60 s."""
    accept_asserted: bool = False
    """Whether a caller on this machine may simply name the principal, without a credential. Only sound where whoever
    can reach this port has authenticated the subject itself."""
    shared_principals: bool = False
    """Whether two issuers may name the same entities. Each of them can then speak of the other's people: only sound
    where one organisation runs both."""
    revocations: Path | None = None
    """Tokens, sessions and subjects whose tokens are refused, whatever the issuer says (`identity.revocations`)."""
    token_cache: TokenCacheConfig = field(default_factory=TokenCacheConfig)
    dpop: DpopConfig | None = None
    """Tokens that are bound to a key of the client."""
    spiffe: SpiffeConfig | None = None
    """Workloads as subjects."""


def read_identity(node: Node, base: Path) -> IdentityConfig:
    """The section `identity`, with its relative paths taken from `base`. Raises DocumentError."""
    with node.table() as table:
        leeway, asserted = table.get("leeway"), table.get("accept_asserted")
        shared, revocations = table.get("shared_principals"), table.get("revocations")
        issuers, workloads = _issuers(table, base), table.get("spiffe")
        spiffe = read_spiffe(workloads, base)
        if workloads is not None and spiffe is not None and not (shared is not None and shared.flag()):
            _refuse_impostors(workloads, spiffe, issuers)
        return IdentityConfig(
            issuers=issuers,
            leeway=_LEEWAY if leeway is None else leeway.duration(0, 60_000),
            accept_asserted=asserted is not None and asserted.flag(),
            shared_principals=shared is not None and shared.flag(),
            revocations=None if revocations is None else path_of(revocations, base),
            token_cache=_token_cache(table.get("token_cache")),
            dpop=read_dpop(table.get("dpop"), base),
            spiffe=spiffe,
        )


def _issuers(table: Table, base: Path) -> tuple[IssuerConfig, ...]:
    listed = table.get("issuers")
    if listed is None:
        return (read_issuer(table, base),)
    if not listed.items():
        listed.refuse("no issuer is listed", "list one, or write it into `identity` itself")
    if len(listed.items()) > MAX_ISSUERS:
        listed.refuse(f"more than {MAX_ISSUERS} issuers")
    issuers: list[IssuerConfig] = []
    for item in listed.items():
        with item.table() as inner:
            issuer = read_issuer(inner, base)
            if issuer.issuer in (other.issuer for other in issuers):
                inner.require("issuer").refuse("this issuer is listed twice")
            if issuer.introspection is not None and any(other.introspection for other in issuers):
                inner.require("introspection").refuse_key(
                    "another issuer has `introspection`, too",
                    "a token that is no JWT does not say whom to ask about it",
                )
        issuers.append(issuer)
    _check_overlap(listed, issuers, table.get("shared_principals"))
    return tuple(issuers)


def _check_overlap(listed: Node, issuers: list[IssuerConfig], shared: Node | None) -> None:
    """Refuses issuers that could name each other's people, unless that is what is wanted."""
    if shared is not None and shared.flag():
        return
    for index, node in enumerate(listed.items()):
        for other in issuers[:index]:
            if both := _names_in_common(issuers[index].principal, other.principal):
                node.refuse(
                    f"this issuer and {brief(other.issuer)} can both name entities of the type `{both}`",
                    "give each an `id_prefix` or types of its own, or state `shared_principals: true`",
                )


def _refuse_impostors(node: Node, spiffe: SpiffeConfig, issuers: tuple[IssuerConfig, ...]) -> None:
    """Refuses workloads whom an issuer of tokens could name, unless that is what is wanted."""
    for name, domain in spiffe.domains.items():
        begins = f"spiffe://{name}/" if domain.id == SPIFFE_ID else "/"
        for issuer in issuers:
            prefix = issuer.principal.id_prefix
            if domain.type in _types(issuer.principal) and (begins.startswith(prefix) or prefix.startswith(begins)):
                node.refuse(
                    f"{brief(issuer.issuer)} and the trust domain `{name}` can both name entities of the type "
                    f"`{domain.type}`",
                    "give the workloads a `type` of their own, or the issuer an `id_prefix`, or state "
                    "`shared_principals: true`",
                )


def _names_in_common(one: PrincipalConfig, other: PrincipalConfig) -> str | None:
    """A type of which two mappings can make the same entity."""
    if not (one.id_prefix.startswith(other.id_prefix) or other.id_prefix.startswith(one.id_prefix)):
        return None
    return min(_types(one) & _types(other), default=None)


def _types(config: PrincipalConfig) -> frozenset[str]:
    """The types of the entities that a mapping can make."""
    groups = () if config.groups_claim is None else (config.groups_type,)
    devices = () if config.device_claim is None else (config.device_type,)
    return frozenset((config.type, *config.types.values(), *groups, *devices))


def _token_cache(node: Node | None) -> TokenCacheConfig:
    default = TokenCacheConfig()
    if node is None:
        return default
    with node.table() as table:
        entries, characters = table.get("entries"), table.get("characters")
        return TokenCacheConfig(
            default.entries if entries is None else entries.integer(0, 1_000_000),
            default.characters if characters is None else characters.integer(16 * 1024, 2**32),
        )
