"""What names mean in a schema: everything that is declared, and how a name is looked up (RFC 24 and RFC 70).

A name without `::` means what its own namespace declares, else what stands outside all namespaces, else a built-in
type; at each step a common type hides an entity type. A name with `::` is a full one.
"""

from collections.abc import Hashable
from typing import Final, NamedTuple, NoReturn, TypeAlias, TypeVar, final

from pdp.cedar.errors import SchemaError
from pdp.cedar.names import is_action_type
from pdp.cedar.schema.hints import guess, listed, shown
from pdp.cedar.schema.syntax import (
    ActionDecl,
    ActionRef,
    CommonTypeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    Place,
    Sort,
    TypeName,
    in_namespace,
)
from pdp.cedar.schema.types import BUILT_IN, ExtensionType, PrimitiveType, ReferenceType
from pdp.cedar.values import EntityUID

NO_COMMON_TYPES: Final = frozenset({"Bool", "Boolean", "Entity", "Extension", "Long", "Record", "Set", "String"})
"""Names that a common type cannot have: in JSON they are words for types."""

_K = TypeVar("_K", bound=Hashable)
_D = TypeVar("_D", CommonTypeDecl, EntityTypeDecl | EnumDecl, ActionDecl)


class CommonName(NamedTuple):
    """The full name of a declared common type."""

    name: str


Meaning: TypeAlias = CommonName | ReferenceType | PrimitiveType | ExtensionType


@final
class Scope:
    """All declarations of a fragment by full name, each with its namespace."""

    def __init__(self, fragment: Fragment) -> None:
        """Raises SchemaError for a name that cannot be declared, that is declared twice, or that RFC 70 forbids."""
        self._fragment: Final = fragment
        self.common_types: Final[dict[str, tuple[Namespace, CommonTypeDecl]]] = {}
        self.entity_types: Final[dict[str, tuple[Namespace, EntityTypeDecl | EnumDecl]]] = {}
        self.actions: Final[dict[EntityUID, tuple[Namespace, ActionDecl]]] = {}
        self._declare()
        self._action_types: Final = frozenset(uid.type for uid in self.actions)
        self._refuse_shadowing()

    def meaning(self, name: TypeName, namespace: Namespace) -> Meaning:
        """What a type name stands for. Raises SchemaError when nothing of the expected sort has it."""
        for full in in_namespace(name.path, namespace.name):
            if name.sort is not Sort.ENTITY and full in self.common_types:
                return CommonName(full)
            if name.sort is not Sort.COMMON and (full in self.entity_types or full in self._action_types):
                return ReferenceType(full)
        built_in = self._built_in(name.path)
        if built_in is None or name.sort is Sort.ENTITY:
            raise self._undeclared(name, namespace)
        return built_in

    def entity_type(self, name: TypeName, namespace: Namespace) -> str:
        """The full name of a type that has entities of its own: not of actions. Raises SchemaError."""
        for full in in_namespace(name.path, namespace.name):
            if full in self.entity_types:
                return full
        raise self._undeclared(name, namespace)

    def action(self, group: ActionRef, namespace: Namespace) -> EntityUID:
        """The uid of an action that a group is. Raises SchemaError when there is none."""
        for full in in_namespace(group.type or "Action", namespace.name):
            uid = EntityUID(full, group.id)
            if uid in self.actions:
                return uid
        named = EntityUID(group.type or "Action", group.id)
        ids = {uid.id: None for uid in self.actions}
        raise self._fragment.fault(f"the action {shown(named)} is not declared", group.place, guess(group.id, ids))

    def _declare(self) -> None:
        namespaces: dict[str, Namespace] = {}
        for namespace in self._fragment.namespaces:
            if namespaces.setdefault(namespace.name, namespace) is not namespace:
                message = f"the namespace {shown(namespace.name)} stands here twice"
                raise self._fragment.fault(message, namespace.place, "put them together into one")
            self._refuse_reserved(namespace.name, namespace.place)
            for common in namespace.common_types:
                self._refuse_reserved(common.name, common.place)
                if common.name in NO_COMMON_TYPES:
                    message = f"a common type cannot have the name {shown(common.name)}"
                    raise self._fragment.fault(message, common.place, "it is a word of the JSON format")
                self._add(self.common_types, namespace.qualified(common.name), namespace, common)
            for entity_type in namespace.entity_types:
                self._refuse_reserved(entity_type.name, entity_type.place)
                if entity_type.name == "Action":
                    message = "an entity type cannot have the name `Action`"
                    raise self._fragment.fault(message, entity_type.place, "it is the type of the actions")
                self._add(self.entity_types, namespace.qualified(entity_type.name), namespace, entity_type)
            for action in namespace.actions:
                uid = EntityUID(namespace.qualified("Action"), action.name)
                self._add(self.actions, uid, namespace, action)

    def _add(self, known: dict[_K, tuple[Namespace, _D]], name: _K, namespace: Namespace, declaration: _D) -> None:
        if name in known:
            raise self._fragment.fault(f"{shown(name)} is declared twice", declaration.place, "keep one of them")
        known[name] = namespace, declaration

    def _refuse_reserved(self, name: str, place: Place) -> None:
        if "__cedar" in name.split("::"):
            message = "`__cedar` cannot be part of a declared name"
            raise self._fragment.fault(message, place, "the built-in types live there")

    def _refuse_shadowing(self) -> None:
        """RFC 70: what a namespace declares may not hide what is declared outside all namespaces."""
        for declared in (self.common_types, self.entity_types):
            for full, (namespace, declaration) in declared.items():
                name = declaration.name
                if namespace.name and (name in self.common_types or name in self.entity_types):
                    self._refuse_hiding(full, name, declaration.place)
        for uid, (namespace, action) in self.actions.items():
            outside = EntityUID("Action", uid.id)
            if namespace.name and outside in self.actions:
                self._refuse_hiding(uid, outside, action.place)

    def _refuse_hiding(self, inner: str | EntityUID, outer: str | EntityUID, place: Place) -> NoReturn:
        message = f"{shown(inner)} hides {shown(outer)}, which is declared outside all namespaces"
        raise self._fragment.fault(message, place, "give one of them another name, or put both into namespaces")

    def _built_in(self, path: str) -> PrimitiveType | ExtensionType | None:
        if path in self.common_types or path in self.entity_types:
            return None
        return BUILT_IN.get(path.removeprefix("__cedar::"))

    def _undeclared(self, name: TypeName, namespace: Namespace) -> SchemaError:
        message = f"there is no {name.sort.value} {shown(name.path)}"
        return self._fragment.fault(message, name.place, self._help(name, namespace))

    def _help(self, name: TypeName, namespace: Namespace) -> str:
        if self._built_in(name.path) is not None:
            return f"{shown(name.path)} is a common type"
        fulls = in_namespace(name.path, namespace.name)
        for full in fulls:
            if full in self.common_types:
                return f"{shown(full)} is a common type"
            if full in self.entity_types:
                return f"{shown(full)} is an entity type"
            if full in self._action_types:
                return f"{shown(full)} is the type of actions"
        if name.path == "Set":
            return "a set is written `Set<Type>`"
        if is_action_type(name.path):
            return "it is the type of actions, and there are none here"
        if name.path.startswith("__cedar"):
            return listed("the built-in types are", [f"__cedar::{built_in}" for built_in in BUILT_IN])
        known: set[str] = set()
        if name.sort is not Sort.ENTITY:
            known.update(BUILT_IN, self.common_types)
        if name.sort is not Sort.COMMON:
            known.update(self.entity_types)
        own = [full.removeprefix(namespace.qualified("")) for full in known]
        known.update(short for short in own if "::" not in short)
        return guess(name.path, known) or f"declare {' or '.join(map(shown, fulls))}"
