"""Expressions of a wanted kind, every operator and extension function among them, with deliberate errors."""

from collections.abc import Callable, Iterator
from typing import Final

from pdp.cedar import ext
from pdp.cedar.nodes import (
    ANY,
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Like,
    Literal,
    Or,
    Pattern,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from strategies import universe
from strategies.choices import Choices
from strategies.universe import EntityKind, Kind, RecordKind, SetKind

PATTERNS: Final[tuple[Pattern, ...]] = ((ANY,), ("a", ANY), (ANY, "b"), ("a*b",), (), ("a", ANY, "b"), (ANY, "\n", ANY))
_COMPARED: Final = ("long", "long", "long", "datetime", "duration")
_COMPARISONS: Final = (BinaryOp.LT, BinaryOp.LE, BinaryOp.GT, BinaryOp.GE)
_VARIABLES: Final = {Var.PRINCIPAL: "User", Var.RESOURCE: "App::Doc"}


def _paths() -> Iterator[tuple[Kind, Expr]]:
    """Every attribute that a request's variables can be expected to have, two entities deep, with its kind."""
    roots: list[tuple[Kind, Expr]] = [(universe.CONTEXT, Variable(Var.CONTEXT))]
    for variable, entity_type in _VARIABLES.items():
        roots.append((EntityKind(entity_type), Variable(variable)))
    yield from roots * 3
    for repeated in (2, 1):  # the nearer, the more often
        roots = [(kind, GetAttr(root, name)) for of, root in roots for name, kind in fields(of)]
        yield from roots * repeated


def fields(kind: Kind) -> tuple[tuple[str, Kind], ...]:
    """The attributes that values of a kind have."""
    match kind:
        case EntityKind(entity_type):
            return universe.SHAPES[entity_type]
        case RecordKind(own):
            return own
        case _:
            return ()


def _by_kind() -> dict[Kind, list[Expr]]:
    table: dict[Kind, list[Expr]] = {}
    for kind, path in _paths():
        table.setdefault(kind, []).append(path)
    return table


PATHS: Final = _by_kind()
_ENTITY_KINDS: Final[tuple[EntityKind, ...]] = (universe.USER, universe.DOC, universe.GROUP, universe.FOLDER)
_RECORD_KINDS: Final[tuple[RecordKind, ...]] = (universe.CONTEXT, universe.ADDRESS)
_OWNERS: Final[tuple[Kind, ...]] = (*_ENTITY_KINDS, *_RECORD_KINDS)
_ANCESTORS: Final[tuple[Kind | None, ...]] = (None, universe.GROUP, SetKind(universe.FOLDER))
_SET_KINDS: Final = (
    SetKind("string"),
    SetKind(universe.USER),
    SetKind("long"),
    SetKind(universe.GROUP),
    SetKind("bool"),
    SetKind(SetKind("long")),
)


class Expressions:
    """Generates from choices. `depth` bounds the nesting of what is made."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self._forms: dict[str, tuple[Callable[[int], Expr], ...]] = {
            "bool": (
                self._equality,
                self._comparison,
                self._comparison,
                self._has,
                self._membership,
                self._containment,
                self._logic,
                self._logic,
                self._negation,
                self._is,
                self._like,
                self._has_tag,
                self._is_empty,
                lambda depth: self._call("bool", depth),
            ),
            "long": (self._arithmetic, self._arithmetic, self._negative, lambda depth: self._call("long", depth)),
            "decimal": (lambda depth: self._call("decimal", depth),),
            "ipaddr": (lambda depth: self._call("ipaddr", depth),),
            "datetime": (lambda depth: self._call("datetime", depth),),
            "duration": (lambda depth: self._call("duration", depth),),
        }

    def of(self, kind: Kind, depth: int) -> Expr:
        """An expression that should have a value of this kind."""
        choices = self.choices
        if choices.rarely(32):
            kind = choices.pick(universe.KINDS)
        if depth <= 0:
            return self._leaf(kind)
        forms = self._forms.get(kind, ()) if isinstance(kind, str) else ()
        match choices.below(10 if forms else 6):
            case 0 | 1 | 2 | 3:
                return self._leaf(kind)
            case 4:
                return If(self.of("bool", depth - 1), self.of(kind, depth - 1), self.of(kind, depth - 1))
            case 5:
                return self._structured(kind, depth)
        return choices.pick(forms)(depth - 1)

    def condition(self, depth: int) -> Expr:
        """An expression for a `when`: never just a literal."""
        form = self.choices.pick(self._forms["bool"])
        return self.of("bool", depth) if self.choices.rarely(8) else form(depth)

    def _leaf(self, kind: Kind) -> Expr:
        paths = PATHS.get(kind)
        if paths and self.choices.below(4):
            return self.choices.pick(paths)
        return self._literal(kind)

    def _literal(self, kind: Kind) -> Expr:
        choices = self.choices
        match kind:
            case "bool":
                return Literal(choices.below(2) == 1)
            case "long":
                return Literal(choices.pick(universe.LONGS))
            case "string":
                return Literal(choices.pick(universe.STRINGS))
            case EntityKind(entity_type):
                return Literal(universe.uid(choices, entity_type))
            case SetKind(element):
                return SetLiteral(tuple(self._literal(element) for _ in range(choices.below(4))))
            case RecordKind(own):
                return RecordLiteral(tuple((name, self._literal(inner)) for name, inner in own))
            case _:
                texts = universe.BAD_TEXTS if choices.rarely(16) else universe.TEXTS[kind]
                return Call(universe.CONSTRUCTORS[kind], (Literal(choices.pick(texts)),))

    def _structured(self, kind: Kind, depth: int) -> Expr:
        match kind:
            case SetKind(element):
                return SetLiteral(tuple(self.of(element, depth - 1) for _ in range(self.choices.below(4))))
            case RecordKind(own):
                return RecordLiteral(tuple((name, self.of(inner, depth - 1)) for name, inner in own[:3]))
            case _:
                return self._tag_or_attribute(kind, depth)

    def _tag_or_attribute(self, kind: Kind, depth: int) -> Expr:
        tagged = [entity_type for entity_type, tag_kind in universe.TAGS.items() if tag_kind == kind]
        if tagged and self.choices.below(2):
            entity = self.of(EntityKind(self.choices.pick(tagged)), depth - 1)
            return Binary(BinaryOp.GET_TAG, entity, self._tag_name(depth))
        owners = [owner for owner in _OWNERS if any(own == kind for _, own in fields(owner))]
        if not owners:
            return self._leaf(kind)
        owner = self.choices.pick(owners)
        name = self.choices.pick([name for name, own in fields(owner) if own == kind])
        return GetAttr(self.of(owner, depth - 1), name)

    def _tag_name(self, depth: int) -> Expr:
        return (
            self.of("string", depth - 1) if self.choices.rarely(4) else Literal(self.choices.pick(universe.TAG_NAMES))
        )

    def _equality(self, depth: int) -> Expr:
        kind = self.choices.pick(universe.KINDS)
        op = BinaryOp.NE if self.choices.rarely(3) else BinaryOp.EQ
        return Binary(op, self.of(kind, depth), self.of(kind, depth))

    def _comparison(self, depth: int) -> Expr:
        kind = self.choices.pick(_COMPARED)
        return Binary(self.choices.pick(_COMPARISONS), self.of(kind, depth), self.of(kind, depth))

    def _has(self, depth: int) -> Expr:
        kind: Kind = self.choices.pick(_OWNERS)
        operand = self.of(kind, depth)
        path: list[str] = []
        for _ in range(1 + self.choices.below(3)):
            known = fields(kind)
            if not known:
                break
            name, kind = self.choices.pick(known)
            path.append(name)
        return HasAttr(operand, tuple(path))

    def _membership(self, depth: int) -> Expr:
        left = self.of(self.choices.pick(_ENTITY_KINDS), depth)
        right: Kind = self.choices.pick((universe.GROUP, universe.FOLDER, universe.USER))
        if self.choices.below(2):
            right = SetKind(right)
        return Binary(BinaryOp.IN, left, self.of(right, depth))

    def _containment(self, depth: int) -> Expr:
        kind = self.choices.pick(_SET_KINDS)
        op = self.choices.pick((BinaryOp.CONTAINS, BinaryOp.CONTAINS_ALL, BinaryOp.CONTAINS_ANY))
        return Binary(op, self.of(kind, depth), self.of(kind.element if op is BinaryOp.CONTAINS else kind, depth))

    def _logic(self, depth: int) -> Expr:
        parts = tuple(self.of("bool", depth) for _ in range(2 + self.choices.below(2)))
        # What the parser would flatten is not a form of its own (`nodes`).
        if self.choices.below(2):
            return And(parts) if not isinstance(parts[0], And) else And((*parts[0].operands, *parts[1:]))
        return Or(parts) if not isinstance(parts[0], Or) else Or((*parts[0].operands, *parts[1:]))

    def _negation(self, depth: int) -> Expr:
        return Unary(UnaryOp.NOT, self.of("bool", depth))

    def _is(self, depth: int) -> Expr:
        kind = self.choices.pick(_ENTITY_KINDS)
        operand = self.of(kind, depth)
        target = self.choices.pick(_ANCESTORS)
        tested = kind.type if self.choices.below(2) else self.choices.pick(universe.TYPES)
        return Is(operand, tested, None if target is None else self.of(target, depth))

    def _like(self, depth: int) -> Expr:
        return Like(self.of("string", depth), self.choices.pick(PATTERNS))

    def _has_tag(self, depth: int) -> Expr:
        return Binary(BinaryOp.HAS_TAG, self.of(self.choices.pick(_ENTITY_KINDS), depth), self._tag_name(depth))

    def _is_empty(self, depth: int) -> Expr:
        return Unary(UnaryOp.IS_EMPTY, self.of(self.choices.pick(_SET_KINDS), depth))

    def _arithmetic(self, depth: int) -> Expr:
        op = self.choices.pick((BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL))
        return Binary(op, self.of("long", depth), self.of("long", depth))

    def _negative(self, depth: int) -> Expr:
        return Unary(UnaryOp.NEGATE, self.of("long", depth))

    def _call(self, result: str, depth: int) -> Expr:
        function = self.choices.pick([known for known in ext.FUNCTIONS.values() if known.result == result])
        arguments = [self.of(parameter, depth) for parameter in function.parameters]
        if self.choices.rarely(24):
            arguments = arguments[:1] if len(arguments) > 1 else arguments * 2
        return Call(function.name, tuple(arguments))
