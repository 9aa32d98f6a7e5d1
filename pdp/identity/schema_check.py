"""The mapping of claims held against the schema, when both are loaded: what can never fit is refused there and then.

    types        each type of principals, groups and devices is declared
    attributes   each is one of a principal's type, and of a type that a claim can fill: text, whole number, Bool, and
                 sets and records of those; a claim speaks of no entities, addresses, instants or decimals
    groups       a principal of at least one of its types can be a member of the groups

What a token says is held against the schema once more with every request; this here tells it earlier, and to whom it
concerns.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn, assert_never

from pdp.cedar.errors import CedarError
from pdp.cedar.schema.model import EntityType, Schema
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType, Type, show
from pdp.config.issuers import IssuerConfig, PrincipalConfig
from pdp.config.spiffe import SpiffeConfig


class MappingError(CedarError):
    """A mapping of claims that does not fit the schema."""

    code = "mapping"


def check_mappings(issuers: Iterable[IssuerConfig], schema: Schema) -> None:
    """Raises MappingError, with a place in the configuration, for the first mapping that cannot fit."""
    for issuer in issuers:
        _check(issuer.principal, schema)


def check_workloads(config: SpiffeConfig | None, schema: Schema) -> None:
    """Raises MappingError for the first type or attribute of workloads that the schema has not."""
    if config is None:
        return
    for name, domain in config.domains.items():
        declared = schema.entity_types.get(domain.type)
        if declared is None:
            raise MappingError(
                f"the workloads of `{name}` are of the type `{domain.type}`, which the schema does not have",
                help="declare it, or let `identity.spiffe` name one that is declared",
            )
        for attribute in config.attributes:
            found = declared.attributes.attributes.get(attribute)
            if found is None or found.type is not PrimitiveType.STRING:
                raise MappingError(
                    f"`{domain.type}` has no attribute `{attribute}` that is a String",
                    help="let the schema declare it, or remove it from `identity.spiffe.attributes`",
                )


def _check(config: PrincipalConfig, schema: Schema) -> None:
    principals = [_declared(config, schema, config.type, "type")]
    principals += [_declared(config, schema, type, f"types.{name}") for name, type in config.types.items()]
    if config.groups_claim is not None:
        groups = _declared(config, schema, config.groups_type, "groups_type")
        if not any(groups.name in principal.ancestors for principal in principals):
            _refuse(
                config,
                "groups_type",
                f"no principal can be a member of `{groups.name}`",
                f"let the schema say so, as in `entity {principals[0].name} in [{groups.name}]`",
            )
    if config.device_claim is not None:
        _declared(config, schema, config.device_type, "device_type")
    for name in config.attributes:
        _check_attribute(config, name, principals)


def _declared(config: PrincipalConfig, schema: Schema, type: str, key: str) -> EntityType:
    declared = schema.entity_types.get(type)
    if declared is None:
        close = get_close_matches(type, schema.entity_types, n=1)
        _refuse(
            config,
            key,
            f"the schema has no entity type `{type}`",
            f"did you mean `{close[0]}`?" if close else "declare it, or name one that is declared",
        )
    return declared


def _check_attribute(config: PrincipalConfig, name: str, principals: list[EntityType]) -> None:
    found = [(type, declared) for type in principals if (declared := type.attributes.attributes.get(name)) is not None]
    if not found:
        known = sorted({attribute for type in principals for attribute in type.attributes.attributes})
        close = get_close_matches(name, known, n=1)
        _refuse(
            config,
            f"attributes.{name}",
            f"no principal has the attribute `{name}`",
            f"did you mean `{close[0]}`?" if close else "let the schema declare it",
        )
    for type, declared in found:
        if (cause := _unfillable(declared.type)) is not None:
            _refuse(
                config,
                f"attributes.{name}",
                f"the attribute `{name}` of `{type.name}` is `{show(declared.type)}`, which no claim can fill",
                f"a claim gives no `{show(cause)}` but texts, whole numbers, Bools, and sets and records of those",
            )


def _unfillable(type: Type) -> Type | None:
    """The part of a type that keeps every claim from being of it, if there is one."""
    match type:
        case PrimitiveType():
            return None
        case ExtensionType() | ReferenceType():
            return type
        case SetType(element):
            return _unfillable(element)
        case RecordType(attributes):
            needed = (_unfillable(attribute.type) for attribute in attributes.values() if attribute.required)
            return next((cause for cause in needed if cause is not None), None)
        case _:
            assert_never(type)


def _refuse(config: PrincipalConfig, key: str, message: str, help: str) -> NoReturn:
    source, span = config.places.get(key) or config.places.get("") or (None, None)
    raise MappingError(message, span=span, source=source, help=help)
