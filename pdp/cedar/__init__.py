"""The Cedar language, pure: no I/O, no clock, no log. Also the door for those who want only Cedar in Python:

    from pdp.cedar import EntityUID, Request, authorize, parse_policies, parse_schema, validate_policies

What is named here is found when it is asked for, so that importing one module of the language does not import all of
them, and so that this floor does not rest on those above it, where policies are evaluated and compiled.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pdp.cedar.api import (
        parse_context,
        parse_entities,
        parse_json_policies,
        parse_json_schema,
        parse_policies,
        parse_schema,
        policies_to_json,
        policies_to_text,
        schema_to_json,
        schema_to_text,
    )
    from pdp.cedar.entities import Entities, Entity
    from pdp.cedar.errors import CedarError, ErrorKind
    from pdp.cedar.policy import Effect, Link, Policy, PolicySet, Slot
    from pdp.cedar.request import Request
    from pdp.cedar.response import Decision, PolicyError, Response
    from pdp.cedar.schema.conform import check_entity, check_request
    from pdp.cedar.schema.model import Schema
    from pdp.cedar.text.formatter import format_policies
    from pdp.cedar.validate.findings import Finding, Severity
    from pdp.cedar.validate.validator import validate_policies
    from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set
    from pdp.compiler.program import Program, compile_policies
    from pdp.evaluate.authorize import authorize

_HOMES: Final = {
    "pdp.cedar.api": (
        *("parse_context", "parse_entities", "parse_json_policies", "parse_json_schema", "parse_policies"),
        *("parse_schema", "policies_to_json", "policies_to_text", "schema_to_json", "schema_to_text"),
    ),
    "pdp.cedar.entities": ("Entities", "Entity"),
    "pdp.cedar.errors": ("CedarError", "ErrorKind"),
    "pdp.cedar.policy": ("Effect", "Link", "Policy", "PolicySet", "Slot"),
    "pdp.cedar.request": ("Request",),
    "pdp.cedar.response": ("Decision", "PolicyError", "Response"),
    "pdp.cedar.schema.conform": ("check_entity", "check_request"),
    "pdp.cedar.schema.model": ("Schema",),
    "pdp.cedar.text.formatter": ("format_policies",),
    "pdp.cedar.validate.findings": ("Finding", "Severity"),
    "pdp.cedar.validate.validator": ("validate_policies",),
    "pdp.cedar.values": ("Datetime", "Decimal", "Duration", "EntityUID", "IPAddr", "Record", "Set"),
    "pdp.compiler.program": ("Program", "compile_policies"),
    "pdp.evaluate.authorize": ("authorize",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CedarError",
    "Datetime",
    "Decimal",
    "Decision",
    "Duration",
    "Effect",
    "Entities",
    "Entity",
    "EntityUID",
    "ErrorKind",
    "Finding",
    "IPAddr",
    "Link",
    "Policy",
    "PolicyError",
    "PolicySet",
    "Program",
    "Record",
    "Request",
    "Response",
    "Schema",
    "Set",
    "Severity",
    "Slot",
    "authorize",
    "check_entity",
    "check_request",
    "compile_policies",
    "format_policies",
    "parse_context",
    "parse_entities",
    "parse_json_policies",
    "parse_json_schema",
    "parse_policies",
    "parse_schema",
    "policies_to_json",
    "policies_to_text",
    "schema_to_json",
    "schema_to_text",
    "validate_policies",
]


if not TYPE_CHECKING:  # or a type checker would believe every name

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(_HOME_OF)
