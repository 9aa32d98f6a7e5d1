"""Static types: what a schema says of the expressions in a policy's conditions, in one situation.

A policy that the type checker accepts for an environment cannot meet a type error there, nor a missing attribute or
tag, as long as request and entities conform to the schema (`Cedar/Thm/Validation.lean`). Then code need not ask.
"""

from collections.abc import Mapping, Sequence
from typing import Final, assert_never, final

from pdp.cedar.policy import Condition, ConditionKind
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType
from pdp.cedar.validate.capabilities import Known
from pdp.cedar.validate.environment import Environment
from pdp.cedar.validate.findings import Fault
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.validate.typecheck import Typechecker
from pdp.cedar.validate.types import LiteralRecord, StaticType, Truth
from pdp.cedar.values import EntityUID
from pdp.compiler.situation import INDIFFERENT, Interest, Situation
from pdp.compiler.terms import Type

NO_TYPES: Final[Mapping[int, Type]] = {}

_PRIMITIVE: Final = {PrimitiveType.BOOL: Type.BOOL, PrimitiveType.LONG: Type.LONG, PrimitiveType.STRING: Type.STRING}


@final
class StaticTypes:
    """Types by one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema: Final = schema
        self._hierarchy: Final = Hierarchy(schema)

    def interest(self, action: EntityUID) -> Interest:
        """What decides which types there are: the types of principal and resource, for a declared action."""
        declared = self.schema.actions.get(action)
        return INDIFFERENT if declared is None else Interest(declared.principal_types, declared.resource_types)

    def of(self, conditions: Sequence[Condition], situation: Situation) -> Mapping[int, Type]:
        """Types by the `id` of expressions; none at all where the type checker does not accept every condition."""
        action = self.schema.actions.get(situation.action)
        principal, resource = situation.principal_type, situation.resource_type
        if action is None or principal not in action.principal_types or resource not in action.resource_types:
            return NO_TYPES
        faults: list[Fault] = []
        environment = Environment(principal, action, resource)
        checker = Typechecker(self.schema, self._hierarchy, environment, lambda fault, _: faults.append(fault))
        known = Known()
        for condition in conditions:
            found, gained = checker.check_bool(condition.body, known)
            wanted = condition.kind is ConditionKind.WHEN
            if found is (Truth.FALSE if wanted else Truth.TRUE):
                break  # what follows is never evaluated, and has no types
            if wanted:
                known.learn(gained)
        return NO_TYPES if faults else {node: _plain(found) for node, found in checker.types.items()}


def _plain(found: StaticType) -> Type:
    match found:
        case Truth():
            return Type.BOOL
        case PrimitiveType():
            return _PRIMITIVE[found]
        case ReferenceType():
            return Type.ENTITY
        case SetType():
            return Type.SET
        case RecordType() | LiteralRecord():
            return Type.RECORD
        case ExtensionType():
            return Type.EXTENSION
        case _:
            assert_never(found)
