"""Declarations to a schema: names looked up, common types put in their place, hierarchies closed."""

from collections.abc import Iterable
from typing import Final, NamedTuple, assert_never, final

from pdp.cedar.errors import SchemaError
from pdp.cedar.limits import MAX_TYPE_ANCESTORS, MAX_TYPE_DEPTH, MAX_TYPE_SIZE
from pdp.cedar.schema.graph import close, components, is_cycle
from pdp.cedar.schema.hints import shown
from pdp.cedar.schema.model import Action, EntityType, EnumEntityType, Schema, StandardEntityType
from pdp.cedar.schema.scope import CommonName, Scope
from pdp.cedar.schema.syntax import (
    ActionDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    Place,
    RecordOf,
    SetOf,
    TypeExpr,
    TypeName,
)
from pdp.cedar.schema.types import (
    Attribute,
    ExtensionType,
    PrimitiveType,
    RecordType,
    SetType,
    Type,
)
from pdp.cedar.values import EntityUID

_SHOWN_CYCLE: Final = 8


class _Measured(NamedTuple):
    """A type with its levels of sets and records, and its parts, every use of a common type counted anew."""

    type: Type
    depth: int
    size: int


def resolve(fragment: Fragment) -> Schema:
    """The schema that declarations stand for. Raises SchemaError where they contradict themselves or name nothing.

    Refused are also types and hierarchies that get too large: see MAX_TYPE_DEPTH, MAX_TYPE_SIZE, MAX_TYPE_ANCESTORS.
    """
    return _Resolver(fragment).schema()


@final
class _Resolver:
    """Names of one fragment, and its common types once they have a meaning."""

    def __init__(self, fragment: Fragment) -> None:
        self._fragment: Final = fragment
        self._scope: Final = Scope(fragment)
        self._common: Final[dict[str, _Measured]] = {}

    def schema(self) -> Schema:
        self._resolve_common_types()
        return Schema(self._entity_types(), self._actions())

    def _resolve_common_types(self) -> None:
        declared = self._scope.common_types
        uses = {
            name: frozenset(self._common_names(common.type, namespace))
            for name, (namespace, common) in declared.items()
        }
        for component in components(uses):
            name = component[0]
            namespace, common = declared[name]
            if is_cycle(component, uses):
                raise self._cycle("the common types", component, common.place)
            self._common[name] = self._measure(common.type, namespace, common.place)

    def _common_names(self, type: TypeExpr, namespace: Namespace) -> Iterable[str]:
        match type:
            case TypeName():
                meaning = self._scope.meaning(type, namespace)
                return (meaning.name,) if isinstance(meaning, CommonName) else ()
            case SetOf(element):
                return self._common_names(element, namespace)
            case RecordOf(attributes):
                return [name for attribute in attributes for name in self._common_names(attribute.type, namespace)]
            case PrimitiveType() | ExtensionType():
                return ()
            case _:
                assert_never(type)

    def _measure(self, expr: TypeExpr, namespace: Namespace, place: Place) -> _Measured:
        """The type that an expression stands for; `place` is where a message about its size points."""
        measured = self._resolve(expr, namespace)
        if measured.depth > MAX_TYPE_DEPTH:
            message = f"this type has more than {MAX_TYPE_DEPTH} levels of sets and records, with its common types"
            raise self._fragment.fault(message, place, "make it flatter")
        if measured.size > MAX_TYPE_SIZE:
            message = f"this type has more than {MAX_TYPE_SIZE} parts, with its common types"
            raise self._fragment.fault(message, place, "use its common types less often")
        return measured

    def _resolve(self, expr: TypeExpr, namespace: Namespace) -> _Measured:
        match expr:
            case TypeName():
                meaning = self._scope.meaning(expr, namespace)
                return self._common[meaning.name] if isinstance(meaning, CommonName) else _Measured(meaning, 0, 1)
            case SetOf(inner):
                element = self._resolve(inner, namespace)
                return _Measured(SetType(element.type), element.depth + 1, element.size + 1)
            case RecordOf(attributes):
                parts = [self._resolve(attribute.type, namespace) for attribute in attributes]
                record = RecordType(
                    {
                        attribute.name: Attribute(part.type, attribute.required, attribute.annotations)
                        for attribute, part in zip(attributes, parts, strict=True)
                    }
                )
                depth = max((part.depth for part in parts), default=0)
                return _Measured(record, depth + 1, sum(part.size for part in parts) + 1)
            case PrimitiveType() | ExtensionType():
                return _Measured(expr, 0, 1)
            case _:
                assert_never(expr)

    def _entity_types(self) -> dict[str, EntityType]:
        declared = self._scope.entity_types
        parents = {
            name: tuple(self._scope.entity_type(parent, namespace) for parent in _parents(declaration))
            for name, (namespace, declaration) in declared.items()
        }
        ancestors = close(parents, MAX_TYPE_ANCESTORS)
        if ancestors is None:
            raise self._too_many("entity types")
        return {
            name: self._entity_type(name, declaration, namespace, ancestors[name])
            for name, (namespace, declaration) in declared.items()
        }

    def _entity_type(
        self, name: str, declaration: EntityTypeDecl | EnumDecl, namespace: Namespace, ancestors: frozenset[str]
    ) -> EntityType:
        if isinstance(declaration, EnumDecl):
            return EnumEntityType(name, frozenset(declaration.ids), declaration.annotations)
        place = declaration.place
        shape = self._measure(declaration.shape, namespace, place).type
        if not isinstance(shape, RecordType):
            raise self._fragment.fault(f"the shape of {shown(name)} is not a record", place, "write `{...}`")
        tags = None if declaration.tags is None else self._measure(declaration.tags, namespace, place).type
        return StandardEntityType(name, shape, tags, ancestors, declaration.annotations)

    def _actions(self) -> dict[EntityUID, Action]:
        declared = self._scope.actions
        groups = {
            uid: tuple(self._scope.action(group, namespace) for group in declaration.groups)
            for uid, (namespace, declaration) in declared.items()
        }
        for component in components(groups):
            if is_cycle(component, groups):
                raise self._cycle("the actions", component, declared[component[0]][1].place)
        ancestors = close(groups, MAX_TYPE_ANCESTORS)
        if ancestors is None:
            raise self._too_many("actions")
        return {
            uid: self._action(uid, declaration, namespace, ancestors[uid])
            for uid, (namespace, declaration) in declared.items()
        }

    def _action(
        self, uid: EntityUID, declaration: ActionDecl, namespace: Namespace, ancestors: frozenset[EntityUID]
    ) -> Action:
        principals = frozenset(self._scope.entity_type(name, namespace) for name in declaration.principal_types)
        resources = frozenset(self._scope.entity_type(name, namespace) for name in declaration.resource_types)
        context = self._measure(declaration.context, namespace, declaration.place).type
        if not isinstance(context, RecordType):
            help = "write `{...}`, or the name of a common type that is a record"
            raise self._fragment.fault(f"the context of {shown(uid)} is not a record", declaration.place, help)
        if not principals or not resources:
            # JSON can name types on one side and none on the other: that applies to nothing, too.
            return Action(uid, ancestors, annotations=declaration.annotations)
        return Action(uid, ancestors, principals, resources, context, declaration.annotations)

    def _cycle(self, what: str, component: tuple[object, ...], place: Place) -> SchemaError:
        names = ", ".join(map(shown, component[:_SHOWN_CYCLE]))
        more = f" and {len(component) - _SHOWN_CYCLE} more" if len(component) > _SHOWN_CYCLE else ""
        help = "each of them is defined by the others" if len(component) > 1 else "it is defined by itself"
        return self._fragment.fault(f"{what} have a cycle: {names}{more}", place, help)

    def _too_many(self, what: str) -> SchemaError:
        message = f"the {what} of the schema have more than {MAX_TYPE_ANCESTORS} ancestors in all"
        return SchemaError(message, source=self._fragment.source, help="make the chains of parents shorter")


def _parents(declaration: EntityTypeDecl | EnumDecl) -> tuple[TypeName, ...]:
    return () if isinstance(declaration, EnumDecl) else declaration.parents
