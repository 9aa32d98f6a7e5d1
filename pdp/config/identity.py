"""The configuration of identity: who is believed, and how a verified token becomes a Cedar entity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from pdp.config.paths import path_of
from pdp.documents import Node
from pdp.documents.fields import entries_of, needs, optional_text, optional_type, type_name

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""Signature algorithms that may be allowed. Asymmetric ones alone: with a shared secret, whoever can check a token can
make one."""

_LEEWAY: Final = 5_000


@final
@dataclass(frozen=True, slots=True)
class PrincipalConfig:
    """How a verified token becomes a Cedar entity. Nothing that is not named here is taken from a token.

    A claim that is named here and has another form refuses the token; it is not left out.
    """

    id_claim: str = "sub"
    """The claim that holds the entity's id: a text that is not empty."""
    type: str = "User"
    """The entity's type, when `type_claim` is not set or the token does not have it."""
    type_claim: str | None = None
    """The claim that says which of `types` the subject is. A value that `types` does not list refuses the token."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Entity types by the value of `type_claim`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Claims by the name of the attribute that they become. A claim is a text, whole number, Bool, or a list or
    mapping of those; its absence leaves the attribute out."""
    groups_claim: str | None = None
    """The claim that lists the ids of the entity's groups."""
    groups_type: str = "Group"
    """The type of those groups."""
    device_claim: str | None = None
    """The claim that names the device which the token is bound to."""
    device_type: str = "Device"
    """The type of that device."""


@final
@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Who is believed. Issuer, audience, algorithms and keys have no default: tokens are not accepted by halves."""

    issuer: str
    """The only `iss` that is accepted, character by character."""
    audience: str
    """What `aud` must be or contain: the name of this decision point's realm."""
    algorithms: tuple[str, ...]
    """The signature algorithms that are accepted, of `ALGORITHMS`."""
    jwks: Path
    """The issuer's keys, a JWK Set (RFC 7517)."""
    leeway: int = _LEEWAY
    """How far (ms) the issuer's clock may differ from ours, at most 60 s."""
    accept_asserted: bool = False
    """Whether a caller on this machine may simply name the principal, without a credential. Only sound where whoever
    can reach this port has authenticated the subject itself."""
    principal: PrincipalConfig = field(default_factory=PrincipalConfig)


def read_identity(node: Node, base: Path) -> IdentityConfig:
    """The section `identity`, with its relative paths taken from `base`. Raises DocumentError."""
    with node.table() as table:
        algorithms = table.require("algorithms")
        if not algorithms.items():
            algorithms.refuse("no algorithm is allowed", f"list some of {', '.join(ALGORITHMS)}")
        leeway, asserted = table.get("leeway"), table.get("accept_asserted")
        return IdentityConfig(
            issuer=table.require("issuer").text(),
            audience=table.require("audience").text(),
            algorithms=tuple(item.choice(ALGORITHMS) for item in algorithms.items()),
            jwks=path_of(table.require("jwks"), base),
            leeway=_LEEWAY if leeway is None else leeway.duration(0, 60_000),
            accept_asserted=asserted is not None and asserted.flag(),
            principal=_principal(table.get("principal")),
        )


def _principal(node: Node | None) -> PrincipalConfig:
    default = PrincipalConfig()
    if node is None:
        return default
    with node.table() as table:
        needs(table, "type_claim", "types")
        needs(table, "types", "type_claim")
        needs(table, "groups_type", "groups_claim")
        needs(table, "device_type", "device_claim")
        return PrincipalConfig(
            id_claim=optional_text(table, "id_claim", default.id_claim),
            type=optional_type(table, "type", default.type),
            type_claim=optional_text(table, "type_claim", default.type_claim),
            types={name: type_name(item) for name, item in entries_of(table, "types")},
            attributes={name: item.text() for name, item in entries_of(table, "attributes")},
            groups_claim=optional_text(table, "groups_claim", default.groups_claim),
            groups_type=optional_type(table, "groups_type", default.groups_type),
            device_claim=optional_text(table, "device_claim", default.device_claim),
            device_type=optional_type(table, "device_type", default.device_type),
        )
