"""Facts and the schema: what does not fit is refused, never coerced. A fact of the wrong type would make a policy's
`==` false without a trace.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, assert_never, final

from pdp.cedar.errors import ConformanceError
from pdp.cedar.schema.conform import check_entity
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import RecordType, ReferenceType, Type, show, value_class
from pdp.cedar.values import EntityUID, Value, brief, type_name
from pdp.context.facts import Grant, Posture
from pdp.context.state import Believed, BelievedEntity, BelievedGrant, BelievedPosture

OWNED_FACTS: Final = frozenset({"freshness", "id"})
"""Facts of posture that the decision point alone writes."""

FactTypes: TypeAlias = Mapping[str, Sequence[Type]]
"""The types that contexts declare for a fact of posture, by its name."""

_POSTURE_RECORDS: Final = ("device", "workload")
_ID: Final = re.compile(r"[a-z]+/[A-Za-z0-9._/-]{1,200}")


@final
class Conformity:
    """What one schema accepts."""

    def __init__(self, schema: Schema) -> None:
        self.schema: Final = schema
        self._types: Final = fact_types(schema)

    def check(self, believed: Believed) -> None:
        """Returns if what is to be believed fits the schema. Raises ConformanceError."""
        match believed:
            case BelievedEntity(entity):
                check_entity(self.schema, entity)
            case BelievedPosture(posture):
                self._check_posture(posture)
            case BelievedGrant(grant):
                self._check_grant(grant)
            case _:
                assert_never(believed)

    def _check_posture(self, posture: Posture) -> None:
        self._check_declared(posture.subject)
        types = self._types
        for name, value in posture.facts.items():
            if name in OWNED_FACTS:
                raise ConformanceError(f"the fact `{name}` is written by the decision point alone", help="leave it out")
            declared = types.get(name, ())
            if not declared:
                raise ConformanceError(
                    f"no action's context has the fact {brief(name)}",
                    help="declare it in the schema, in `device` or `workload`",
                )
            if not any(fits(value, type) for type in declared):
                raise ConformanceError(
                    f"{brief(name)} must be {' or '.join(map(show, declared))}, found {type_name(value)}"
                )

    def _check_grant(self, grant: Grant) -> None:
        for id, prefix in ((grant.id, "grant"), (grant.template_id, "entitlement")):
            if not is_id(id, prefix):
                raise ConformanceError(
                    f"{brief(id)} cannot be such an id",
                    help=f"write `{prefix}/` and letters, digits, `-`, `_`, `.` or `/`",
                )
        for uid in (grant.principal, grant.resource):
            self._check_declared(uid)
        for name, words in (("owner", grant.owner), ("reason", grant.reason)):
            if not words.strip():
                raise ConformanceError(f"the {name} of `{grant.id}` says nothing", help="say it in words")
        if grant.not_before >= grant.expires_at:
            raise ConformanceError(
                f"the grant `{grant.id}` is over before it begins", help="`expires_at` is later than `not_before`"
            )

    def _check_declared(self, uid: EntityUID) -> None:
        if uid.type not in self.schema.entity_types:
            raise ConformanceError(
                f"the schema has no entity type {brief(uid.type)}", help="declare it, or name another"
            )
        ids = self.schema.ids.get(uid.type)
        if ids is not None and uid.id not in ids:
            raise ConformanceError(f"`{uid}` is none of the entities of its type", help="the schema enumerates them")


def is_id(id: str, prefix: str) -> bool:
    """Whether this can be the id of a grant or a template."""
    return id.startswith(f"{prefix}/") and _ID.fullmatch(id) is not None


def fact_types(schema: Schema) -> FactTypes:
    """The types of each fact of posture."""
    types: defaultdict[str, list[Type]] = defaultdict(list)
    for action in schema.actions.values():
        for name in _POSTURE_RECORDS:
            declared = action.context.attributes.get(name)
            if declared is None or not isinstance(declared.type, RecordType):
                continue
            for fact, attribute in declared.type.attributes.items():
                if attribute.type not in types[fact]:
                    types[fact].append(attribute.type)
    return types


def fits(value: Value, declared: Type) -> bool:
    """Whether a value is of a type. Its elements are checked with the request that they come to."""
    if isinstance(value, EntityUID) and isinstance(declared, ReferenceType):
        return value.type == declared.entity_type
    return type(value) is value_class(declared)
