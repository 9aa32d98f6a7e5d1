"""Random schemas, about half of them without a fault, and JSON data that fits a schema, in every form it may have."""

import random
from typing import Any, Final

from pdp.cedar.names import is_action_type
from pdp.cedar.schema.json_form import TYPE_WORDS
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.syntax import (
    ActionDecl,
    ActionRef,
    AttributeDecl,
    CommonTypeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    RecordOf,
    SetOf,
    Sort,
    TypeExpr,
    TypeName,
)
from pdp.cedar.schema.types import (
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)

_NAMESPACES: Final = ("", "N", "M", "N::M")
_TYPES: Final = ("A", "B", "C", "D", "E", "Long", "ipaddr", "Set")
_BUILT_IN: Final = ("Long", "String", "Bool", "decimal", "ipaddr", "datetime", "duration")
_ATTRIBUTES: Final = ("a", "b", "c", "", "if", 'q"\n', "__entity", "type", "id")
_ACTIONS: Final = ("v", "w", "x", "y", "a b")
_IDS: Final = ("", "one", "two", 'q"\n')
_ANNOTATIONS: Final[tuple[dict[str, str], ...]] = ({}, {}, {}, {"doc": ""}, {"if": 'a "b"\n', "x": ""})


class _Maker:
    """Makes one fragment. `json` allows what only the JSON format can say."""

    def __init__(self, rng: random.Random, json: bool) -> None:
        self.rng = rng
        self.json = json
        self.namespaces = rng.sample(_NAMESPACES, rng.choice((1, 1, 2, 2, 3)))
        types, actions = rng.sample(_TYPES, len(_TYPES)), rng.sample(_ACTIONS, len(_ACTIONS))
        self.common: dict[str, list[str]] = {}
        self.entities: dict[str, list[str]] = {}
        self.actions: dict[str, list[str]] = {}
        for name in self.namespaces:
            share = self._share(types)
            self.common[name] = [type for type in share if rng.random() < 0.4 and type not in TYPE_WORDS]
            self.entities[name] = [type for type in share if type not in self.common[name] or rng.random() < 0.1]
            self.actions[name] = self._share(actions)

    def _share(self, names: list[str]) -> list[str]:
        """Two of the names, seldom such as another namespace has, too: that is mostly a fault."""
        if len(names) < 2 or self.rng.random() < 0.05:
            return self.rng.sample(names, min(2, len(names)))
        return [names.pop() for _ in range(self.rng.choice((1, 2, 3))) if names]

    def fragment(self) -> Fragment:
        return Fragment(tuple(made for name in self.namespaces if not (made := self.namespace(name)).is_nothing()))

    def namespace(self, name: str) -> Namespace:
        return Namespace(
            name,
            tuple(
                CommonTypeDecl(type, self.type(name, 2, common=0.1), self.annotations()) for type in self.common[name]
            ),
            tuple(self.entity_type(type, name) for type in self.entities[name]),
            tuple(self.action(action, name) for action in self.actions[name]),
            self.annotations() if name else {},
        )

    def annotations(self) -> dict[str, str]:
        return self.rng.choice(_ANNOTATIONS)

    def entity_type(self, type: str, namespace: str) -> EntityTypeDecl | EnumDecl:
        rng = self.rng
        if rng.random() < 0.2:
            return EnumDecl(type, tuple(rng.sample(_IDS, rng.randint(1, 3))), self.annotations())
        shape: TypeExpr = self.record(namespace, 2)
        if self.json and rng.random() < 0.05:
            shape = self.name(namespace, Sort.COMMON)
        tags = self.type(namespace, 1) if rng.random() < 0.3 else None
        return EntityTypeDecl(type, self.entity_names(namespace, 0), shape, tags, self.annotations())

    def action(self, action: str, namespace: str) -> ActionDecl:
        rng = self.rng
        groups = tuple(self.group(action, namespace) for _ in range(rng.choice((0, 0, 0, 1, 2))))
        if rng.random() < 0.2:
            return ActionDecl(action, groups, annotations=self.annotations())
        context: TypeExpr = self.record(namespace, 2)
        if rng.random() < 0.05:
            context = self.name(namespace, Sort.COMMON)
        least = 0 if self.json and rng.random() < 0.1 else 1
        principals, resources = self.entity_names(namespace, least), self.entity_names(namespace, least)
        return ActionDecl(action, groups, principals, resources, context, self.annotations())

    def group(self, action: str, namespace: str) -> ActionRef:
        """Mostly a group whose name comes later, so that there is no cycle."""
        rng = self.rng
        later = [(where, id) for where in self.namespaces for id in self.actions[where] if id > action]
        everything = [(where, id) for where in self.namespaces for id in (*self.actions[where], "z")]
        where, id = rng.choice(later if later and rng.random() < 0.97 else everything)
        if where in ("", namespace) and rng.random() < 0.7:
            return ActionRef(id, rng.choice((None, None, "Action")))
        return ActionRef(id, f"{where}::Action" if where else "Action")

    def entity_names(self, namespace: str, least: int) -> tuple[TypeName, ...]:
        return tuple(self.name(namespace, Sort.ENTITY) for _ in range(self.rng.choice((least, least, least + 1))))

    def name(self, namespace: str, sort: Sort, common: float = 0.5) -> TypeName:
        """A name of a type; as a common type none that JSON has a word for, since there it would be that word."""
        path = self.path(namespace, sort, common)
        return TypeName(path, Sort.ANY if sort is Sort.COMMON and path in TYPE_WORDS else sort)

    def path(self, namespace: str, sort: Sort, common: float) -> str:
        rng = self.rng
        if sort is not Sort.ENTITY and rng.random() < 0.4:
            return rng.choice(("", "", "__cedar::")) + rng.choice(_BUILT_IN)
        if rng.random() < 0.01:
            return rng.choice(("Action", "N::Action", "Nothing", "__cedar::Nothing", "Set"))
        where = rng.choice((namespace, namespace, *self.namespaces))
        is_common = sort is Sort.COMMON or (sort is Sort.ANY and rng.random() < common)
        types = self.common[where] if is_common else self.entities[where]
        if not types:
            return rng.choice(_BUILT_IN)
        type = rng.choice(types)
        return type if where in ("", namespace) and rng.random() < 0.7 else f"{where}::{type}".lstrip(":")

    def type(self, namespace: str, depth: int, common: float = 0.5) -> TypeExpr:
        rng = self.rng
        chance = rng.random()
        if self.json and chance < 0.2:
            built_in: TypeExpr = rng.choice((*PrimitiveType, *ExtensionType))
            return built_in
        if depth and chance < 0.35:
            return SetOf(self.type(namespace, depth - 1, common))
        if depth and chance < 0.55:
            return self.record(namespace, depth - 1, common)
        return self.name(namespace, rng.choice(tuple(Sort)) if self.json and chance > 0.85 else Sort.ANY, common)

    def record(self, namespace: str, depth: int, common: float = 0.5) -> RecordOf:
        rng = self.rng
        return RecordOf(
            tuple(
                AttributeDecl(name, self.type(namespace, depth, common), rng.random() < 0.5, self.annotations())
                for name in rng.sample(_ATTRIBUTES, rng.choice((0, 1, 1, 2, 3)))
            )
        )


def random_fragment(rng: random.Random, json: bool) -> Fragment:
    """A schema of one to three namespaces; with `json`, one that text may be unable to say."""
    return _Maker(rng, json).fragment()


_TEXTS: Final = {
    ExtensionType.DECIMAL: ("decimal", ("1.0", "-0.5")),
    ExtensionType.IPADDR: ("ip", ("10.0.0.1", "::1/128")),
    ExtensionType.DATETIME: ("datetime", ("2026-11-24", "2026-11-24T01:02:03Z")),
    ExtensionType.DURATION: ("duration", ("1d2h", "-5ms")),
}


class DataMaker:
    """Makes JSON data that a schema accepts, or nearly so."""

    def __init__(self, rng: random.Random, schema: Schema) -> None:
        self.rng = rng
        self.schema = schema

    def entities(self) -> list[Any]:
        """An entity document: an entity of each type or two, without its actions."""
        made = [self.entity(type) for type in self.schema.entity_types for _ in range(self.rng.choice((0, 1, 1)))]
        made += [self.action_entity(uid) for uid in self.schema.actions if self.rng.random() < 0.1]
        self.rng.shuffle(made)
        return made

    def entity(self, entity_type: str) -> dict[str, Any]:
        declared = self.schema.entity_types[entity_type]
        parents = self.rng.sample(sorted(declared.ancestors), min(len(declared.ancestors), self.rng.choice((0, 1, 2))))
        entity = {
            "uid": self.uid(entity_type),
            "attrs": self.record(declared.attributes),
            "parents": [self.uid(parent) for parent in parents],
        }
        if declared.tags is not None and self.rng.random() < 0.8:
            entity["tags"] = {name: self.value(declared.tags) for name in self.rng.sample(_ATTRIBUTES, 2)}
        return entity

    def action_entity(self, uid: Any) -> dict[str, Any]:
        groups = [{"type": group.type, "id": group.id} for group in self.schema.actions[uid].ancestors]
        return {"uid": {"type": uid.type, "id": uid.id}, "attrs": {}, "parents": groups}

    def request(self) -> dict[str, Any]:
        """A request whose action is declared; its context is JSON."""
        action = self.rng.choice(list(self.schema.actions.values()))
        return {
            "principal": self.plain_uid(self.any_type(action.principal_types)),
            "action": {"type": action.uid.type, "id": action.uid.id},
            "resource": self.plain_uid(self.any_type(action.resource_types)),
            "context": self.record(action.context),
        }

    def any_type(self, types: frozenset[str]) -> str:
        if types and self.rng.random() < 0.95:
            return self.rng.choice(sorted(types))
        return self.rng.choice((*self.schema.entity_types, "Nothing"))

    def plain_uid(self, entity_type: str) -> dict[str, str]:
        if is_action_type(entity_type) or self.rng.random() < 0.9:
            ids = sorted(self.schema.ids.get(entity_type, _IDS))
        else:
            ids = list(_IDS)
        return {"type": entity_type, "id": self.rng.choice(ids)}

    def uid(self, entity_type: str) -> dict[str, Any]:
        plain = self.plain_uid(entity_type)
        return {"__entity": plain} if self.rng.random() < 0.3 else plain

    def record(self, record: RecordType) -> dict[str, Any]:
        return {
            name: self.value(attribute.type)
            for name, attribute in record.attributes.items()
            if attribute.required or self.rng.random() < 0.6
        }

    def value(self, type: Type) -> Any:
        rng = self.rng
        match type:
            case PrimitiveType.BOOL:
                return rng.random() < 0.5
            case PrimitiveType.LONG:
                return rng.choice((0, 1, -5, 2**63 - 1))
            case PrimitiveType.STRING:
                return rng.choice(("", "x", "10.0.0.1"))
            case ExtensionType():
                return self.extension(type)
            case ReferenceType(entity_type):
                return self.uid(entity_type)
            case SetType(element):
                return [self.value(element) for _ in range(rng.choice((0, 1, 2)))]
            case RecordType():
                return self.record(type)

    def extension(self, type: ExtensionType) -> Any:
        rng = self.rng
        function, texts = _TEXTS[type]
        chance = rng.random()
        if type is ExtensionType.DATETIME and chance < 0.2:
            arguments = [self.extension(type), self.extension(ExtensionType.DURATION)]
            call: dict[str, Any] = {"fn": "offset", "args": arguments}
        elif type is ExtensionType.DURATION and chance < 0.2:
            call = {"fn": "toTime", "arg": self.extension(ExtensionType.DATETIME)}
        else:
            text = rng.choice(texts)
            if chance > 0.6:
                return text
            call = {"fn": function, "arg": text} if chance > 0.3 else {"fn": function, "args": [text]}
        return {"__extn": call} if rng.random() < 0.4 else call
