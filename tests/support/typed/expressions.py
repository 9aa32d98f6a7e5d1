"""Expressions of a wanted type, as a schema declares it, for one kind of request."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from pdp.cedar import ext
from pdp.cedar.nodes import (
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Literal,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.schema.types import (
    Attribute,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)
from pdp.cedar.values import EntityUID

BOOL, LONG, STRING = PrimitiveType.BOOL, PrimitiveType.LONG, PrimitiveType.STRING
BASIC: Final[tuple[Type, ...]] = (*PrimitiveType, *ExtensionType)
_NAMED: Final[Mapping[str, Type]] = {
    "bool": BOOL,
    "long": LONG,
    "string": STRING,
    **{type.value: type for type in ExtensionType},
}
IDS: Final = ("one", "", 'q"\n', "two")
_STRINGS: Final = ("", "a", "one", "10.0.0.1", "a*b", "\u00e9")
_LONGS: Final = (0, 1, -1, 2, 100, 2**63 - 1, -(2**63))
_KEYS: Final = ("a", "k", "")
_TEXTS: Final[dict[ExtensionType, tuple[str, tuple[str, ...]]]] = {
    ExtensionType.DECIMAL: ("decimal", ("1.0", "-0.5")),
    ExtensionType.IPADDR: ("ip", ("10.0.0.1", "::1/128", "10.0.0.0/8")),
    ExtensionType.DATETIME: ("datetime", ("2026-11-24", "2026-11-24T01:02:03Z")),
    ExtensionType.DURATION: ("duration", ("1d2h", "-5ms")),
}
_BAD_TEXTS: Final = ("", "1", "1.00000", "256.0.0.1", "2026-02-30", "1s1h")
COMPARISONS: Final = (BinaryOp.LT, BinaryOp.LE, BinaryOp.GT, BinaryOp.GE)
_ARITHMETIC: Final = (BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL)


@dataclass(frozen=True)
class Path:
    """What can be read of a request: an expression, its type, and what must be asked before it may be read."""

    expr: Expr
    type: Type
    guards: tuple[Expr, ...] = ()


Form: TypeAlias = "Callable[[ExpressionMaker, int], Expr]"
"""Makes a Bool whose operands may be so deep."""


class ExpressionMaker:
    """Makes expressions for requests of one kind, its `home`.

    A fault is put in once in `faults` times, and never if that is 0. `known` are the guards that hold at the moment.
    """

    def __init__(
        self, rng: random.Random, schema: Schema, home: tuple[str, Action, str], faults: int, forms: Sequence[Form]
    ) -> None:
        self.rng = rng
        self.schema = schema
        self.faults = faults
        self.types = sorted(schema.entity_types)
        self.actions = sorted(schema.actions)
        self.known: list[Expr] = []
        self._forms = forms
        self.paths = self._paths(*home)

    def any_type(self) -> str:
        """Mostly a declared type."""
        return self.rng.choice(self.types) if self.rng.random() < 0.9 else self.rng.choice(("Nope", "N::Nope"))

    def uid(self, type: str) -> EntityUID:
        """An entity of a type; of one with declared ids mostly one of them."""
        ids = sorted(self.schema.ids.get(type, IDS))
        return EntityUID(type, "nope" if self.faulty() else self.rng.choice(ids))

    def about(self, path: Path, depth: int) -> Expr:
        """A Bool that reads a path."""
        rng = self.rng
        match path.type:
            case PrimitiveType.BOOL:
                return path.expr
            case SetType(element):
                return Binary(BinaryOp.CONTAINS, path.expr, self.of(element, depth))
            case ReferenceType() if rng.random() < 0.4:
                return Binary(BinaryOp.IN, path.expr, self.of(path.type, depth))
            case PrimitiveType.LONG if rng.random() < 0.5:
                return Binary(rng.choice(COMPARISONS), path.expr, self.of(LONG, depth))
            case _:
                return Binary(BinaryOp.EQ, path.expr, self.of(path.type, depth))

    def of(self, type: Type, depth: int) -> Expr:
        """An expression of a type, or of another one by a fault."""
        rng = self.rng
        if self.faulty():
            type = rng.choice(BASIC) if rng.random() < 0.7 else rng.choice(self.paths).type
        if depth <= 0:
            return self._leaf(type)
        if type is BOOL:
            return rng.choice(self._forms)(self, depth - 1)
        match rng.randrange(10):
            case 0:
                return If(self.of(BOOL, depth - 1), self.of(type, depth - 1), self.of(type, depth - 1))
            case 1 | 2:
                return self._built(type, depth - 1)
            case 3:
                field = RecordLiteral((("f", self.of(type, depth - 1)), ("g", self.of(rng.choice(BASIC), 0))))
                return GetAttr(field, "f")
            case _:
                return self._leaf(type)

    def _leaf(self, type: Type) -> Expr:
        """Mostly what can be read of the request, if anything of this type can."""
        paths = [path for path in self.paths if path.type == type and self._is_readable(path)]
        if paths and self.rng.random() < 0.75:
            return self.rng.choice(paths).expr
        return self._literal(type)

    def _is_readable(self, path: Path) -> bool:
        return all(guard in self.known for guard in path.guards) or self.faulty()

    def _literal(self, type: Type) -> Expr:
        rng = self.rng
        match type:
            case PrimitiveType.BOOL:
                return Literal(rng.random() < 0.5)
            case PrimitiveType.LONG:
                return Literal(rng.choice(_LONGS))
            case PrimitiveType.STRING:
                return Literal(rng.choice(_STRINGS))
            case ExtensionType():
                function, texts = _TEXTS[type]
                if self.faulty():
                    return Call(function, (rng.choice((Literal(rng.choice(_BAD_TEXTS)), self._leaf(STRING))),))
                return Call(function, (Literal(rng.choice(texts)),))
            case ReferenceType(entity_type):
                return Literal(self.uid(entity_type))
            case SetType() | RecordType():
                return self._built(type, 0)

    def _built(self, type: Type, depth: int) -> Expr:
        """An expression of a type that is put together."""
        rng = self.rng
        match type:
            case SetType(element):
                count = 0 if self.faulty() else rng.choice((1, 1, 2, 3))
                return SetLiteral(tuple(self.of(element, depth) for _ in range(count)))
            case RecordType(attributes):
                names = [name for name, attribute in attributes.items() if attribute.required or rng.random() < 0.5]
                return RecordLiteral(tuple((name, self.of(attributes[name].type, depth)) for name in names))
            case PrimitiveType.LONG:
                if rng.random() < 0.2:
                    return Unary(UnaryOp.NEGATE, self.of(LONG, depth))
                if rng.random() < 0.8:
                    return Binary(rng.choice(_ARITHMETIC), self.of(LONG, depth), self.of(LONG, depth))
                return self.call(type, depth)
            case ExtensionType():
                return self.call(type, depth)
            case PrimitiveType() | ReferenceType():
                return self._leaf(type)

    def call(self, type: Type, depth: int) -> Expr:
        """A call of a function that gives this type."""
        functions = [known for known in ext.FUNCTIONS.values() if _NAMED[known.result] == type]
        function = self.rng.choice(functions)
        if function.parameters == ("string",):
            return self._literal(type)
        arguments = [self.of(_NAMED[parameter], depth) for parameter in function.parameters]
        if self.faulty():
            arguments = arguments[:1] if len(arguments) > 1 else arguments * 2
        return Call(function.name, tuple(arguments))

    def faulty(self) -> bool:
        """Whether to put in a fault here."""
        return self.faults > 0 and self.rng.randrange(self.faults) == 0

    def _paths(self, principal: str, action: Action, resource: str) -> list[Path]:
        level = [
            Path(Variable(Var.PRINCIPAL), ReferenceType(principal)),
            Path(Variable(Var.ACTION), ReferenceType(action.uid.type)),
            Path(Variable(Var.RESOURCE), ReferenceType(resource)),
            Path(Variable(Var.CONTEXT), action.context),
        ]
        paths = list(level)
        for _ in range(3):
            level = [inner for path in level for inner in self._inside(path)]
            if len(paths) + len(level) > 150:
                level = self.rng.sample(level, min(len(level), 40))
            paths += level
        return paths

    def _inside(self, path: Path) -> list[Path]:
        expr, found = path.expr, []
        for name, attribute in self.attributes(path.type).items():
            guards = path.guards if attribute.required else (*path.guards, HasAttr(expr, (name,)))
            found.append(Path(GetAttr(expr, name), attribute.type, guards))
        tags = self._tags(path.type)
        if tags is not None:
            key = Literal(self.rng.choice(_KEYS))
            guards = (*path.guards, Binary(BinaryOp.HAS_TAG, expr, key))
            found.append(Path(Binary(BinaryOp.GET_TAG, expr, key), tags, guards))
        return found

    def attributes(self, type: Type) -> Mapping[str, Attribute]:
        """What values of a type may have."""
        match type:
            case RecordType(attributes):
                return attributes
            case ReferenceType(entity_type) if entity_type in self.schema.entity_types:
                return self.schema.entity_types[entity_type].attributes.attributes
            case _:
                return {}

    def _tags(self, type: Type) -> Type | None:
        declared = self.schema.entity_types.get(type.entity_type) if isinstance(type, ReferenceType) else None
        return None if declared is None else declared.tags

    def readable(self, *classes: type) -> Path:
        """Something that can be read now, of one of these classes of types if there is any."""
        paths = [path for path in self.paths if all(guard in self.known for guard in path.guards)]
        wanted = [path for path in paths if isinstance(path.type, classes)]
        return self.rng.choice(wanted or paths)

    def some_type(self) -> Type:
        """A type that something is likely to have."""
        rng = self.rng
        match rng.randrange(8):
            case 0 | 1:
                return rng.choice(BASIC)
            case 2:
                return SetType(rng.choice((*BASIC, SetType(LONG), self.some_entity_type())))
            case 3:
                return self.some_entity_type()
            case _:
                return rng.choice(self.paths).type

    def some_entity_type(self) -> ReferenceType:
        """References to entities of a declared type."""
        return ReferenceType(self.rng.choice(self.types))
