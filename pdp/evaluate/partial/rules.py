"""What operators give for operands of which only the shapes are known: the typed half of the rules in `reduce`.

Nothing here computes a value. Where all operands are known, the interpreter is asked.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, assert_never

from pdp.cedar import ext
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.nodes import Binary, BinaryOp, Call, GetAttr, Like, RecordLiteral, SetLiteral, Unary, UnaryOp
from pdp.cedar.schema.types import ExtensionType, PrimitiveType, value_class
from pdp.cedar.values import Datetime, Duration, EntityUID, Record, Set, quote
from pdp.evaluate.partial.shapes import (
    ANYTHING,
    BOOL,
    NEVER,
    Exactly,
    Field,
    Records,
    Sets,
    Shape,
    class_of,
    describe,
    element,
    is_exactly,
    join_all,
    references,
)
from pdp.evaluate.partial.world import Certainty, World

LONG: Final = PrimitiveType.LONG
_ORDERED: Final = (int, Datetime, Duration)
_TYPES: Final[Mapping[str, PrimitiveType | ExtensionType]] = {
    "bool": BOOL,
    "long": LONG,
    "string": PrimitiveType.STRING,
    **{type.value: type for type in ExtensionType},
}
_FAILING_FUNCTIONS: Final = frozenset(("decimal", "ip", "datetime", "duration", "offset", "durationSince", "toDate"))
"""The functions that have no value for some arguments of the right types."""

Typed: TypeAlias = Unary | Binary | GetAttr | Like | SetLiteral | RecordLiteral | Call
"""The nodes of which the operands' shapes say everything."""


class Demand(NamedTuple):
    """What an operator asks of its operands: whether that is so, and how it fails otherwise."""

    met: Certainty
    message: str
    kind: ErrorKind = ErrorKind.TYPE


class Rule(NamedTuple):
    """What an operator gives: what it asks for, in order; its value's shape; whether it then never fails."""

    demands: tuple[Demand, ...]
    shape: Shape
    sure: bool = True

    @property
    def keeps(self) -> bool:
        """Whether it has a value for every value of its operands."""
        return self.sure and all(demand.met for demand in self.demands)

    @property
    def failure(self) -> EvaluationError | None:
        """The error that is certain, its kind included, once all operands have values."""
        kinds: set[ErrorKind] = set()
        for met, message, kind in self.demands:
            if met is False and kinds <= {kind}:
                return EvaluationError(kind, message)
            if met is not True:
                kinds.add(kind)
        return None

    @property
    def fails(self) -> bool:
        """Whether there is no value for certain."""
        return any(demand.met is False for demand in self.demands)


def needs(shape: Shape, expected: str, *classes: type) -> Demand:
    """That an operand is of one of some types."""
    common = class_of(shape)
    return Demand(None if common is None else common in classes, f"expected {expected}, got {describe(shape)}")


def rule(node: Typed, shapes: Sequence[Shape], world: World) -> Rule:
    """What a node gives, the operands being of these shapes; for `&&`, `||`, `if`, `has` and `is` see `reduce`."""
    match node:
        case Unary(op):
            return _unary(op, shapes[0])
        case Binary(op):
            return _binary(op, shapes[0], shapes[1], world)
        case GetAttr(_, name):
            return _attribute(shapes[0], name, world)
        case Like():
            return Rule((needs(shapes[0], "string", str),), BOOL)
        case SetLiteral():
            return Rule((), Sets(join_all(shapes)))
        case RecordLiteral(fields):
            names = [name for name, _ in fields]
            return Rule((), Records({name: Field(shape) for name, shape in zip(names, shapes, strict=True)}))
        case Call(function):
            return _call(function, shapes)
        case _:
            assert_never(node)


def _unary(op: UnaryOp, shape: Shape) -> Rule:
    match op:
        case UnaryOp.NOT:
            settled = isinstance(shape, Exactly) and isinstance(shape.value, bool)
            return Rule((needs(shape, "bool", bool),), Exactly(is_exactly(shape, False)) if settled else BOOL)
        case UnaryOp.NEGATE:
            return Rule((needs(shape, "long", int),), LONG, sure=False)
        case UnaryOp.IS_EMPTY:
            return Rule((needs(shape, "set", Set),), BOOL)
        case _:
            assert_never(op)


def _binary(op: BinaryOp, left: Shape, right: Shape, world: World) -> Rule:
    match op:
        case BinaryOp.EQ | BinaryOp.NE:
            return Rule((), Exactly(op is BinaryOp.NE) if world.disjoint(left, right) else BOOL)
        case BinaryOp.LT | BinaryOp.LE | BinaryOp.GT | BinaryOp.GE:
            return Rule(_comparable(left, right), BOOL)
        case BinaryOp.ADD | BinaryOp.SUB | BinaryOp.MUL:
            return Rule((needs(left, "long", int), needs(right, "long", int)), LONG, sure=False)
        case BinaryOp.IN:
            return membership(left, right, world)
        case BinaryOp.CONTAINS:
            apart = world.disjoint(element(left), right)
            return Rule((needs(left, "set", Set),), Exactly(False) if apart else BOOL)
        case BinaryOp.CONTAINS_ALL | BinaryOp.CONTAINS_ANY:
            sets = needs(left, "set", Set), needs(right, "set", Set)
            apart = op is BinaryOp.CONTAINS_ANY and world.disjoint(element(left), element(right))
            return Rule(sets, Exactly(False) if apart else BOOL)
        case BinaryOp.HAS_TAG:
            tags = world.tag(references(left))
            return Rule(_taggable(left, right), Exactly(False) if tags.there is False else BOOL)
        case BinaryOp.GET_TAG:
            return _tag(left, right, world)
        case _:
            assert_never(op)


def _comparable(left: Shape, right: Shape) -> tuple[Demand, ...]:
    first = needs(left, "long, datetime or duration", *_ORDERED)
    common = class_of(left)
    if common in _ORDERED:
        return first, needs(right, describe(left), common)
    return first, needs(right, "long, datetime or duration", *_ORDERED)


def membership(left: Shape, right: Shape, world: World) -> Rule:
    """`left in right`."""
    entity = needs(left, "entity", EntityUID)
    target = needs(right, "entity or set of entities", EntityUID, Set)
    members = Demand(True, "")
    if class_of(right) is Set:
        inside = element(right)
        members = Demand(
            inside is NEVER or class_of(inside) is EntityUID or None, "expected entity, got something else"
        )
        if members.met is None and isinstance(right, Exactly):
            members = members._replace(met=False)
    demands = entity, target, members
    answer = world.membership(left, right) if all(demand.met for demand in demands) else None
    return Rule(demands, BOOL if answer is None else Exactly(answer))


def _taggable(entity: Shape, tag: Shape) -> tuple[Demand, ...]:
    return needs(entity, "entity", EntityUID), needs(tag, "string", str)


def _tag(left: Shape, right: Shape, world: World) -> Rule:
    entity = references(left)
    there, shape = world.tag(entity)
    demands = _taggable(left, right)
    if there is False:
        return Rule((*demands, *_missing("tag", ErrorKind.TAG_MISSING, stored=entity.stored)), NEVER)
    return Rule(demands, shape, sure=False)


def _attribute(shape: Shape, name: str, world: World) -> Rule:
    there, inner = world.attribute(shape, name)
    demand = needs(shape, "record or entity", Record, EntityUID)
    if demand.met is False:
        return Rule((demand,), NEVER)
    if there is False:
        stored = class_of(shape) is Record or references(shape).stored
        missing = _missing(f"attribute {quote(name)}", ErrorKind.ATTRIBUTE_MISSING, stored=stored)
        return Rule((demand, *missing), NEVER)
    return Rule((demand,), inner, sure=there is True)


def _missing(what: str, kind: ErrorKind, *, stored: bool) -> tuple[Demand, ...]:
    """That there is no such thing. If the entity may be missing as a whole, that would be the error instead."""
    exists = Demand(True if stored else None, "the entity does not exist", ErrorKind.ENTITY_MISSING)
    return exists, Demand(False, f"there is no {what}", kind)


def _call(name: str, shapes: Sequence[Shape]) -> Rule:
    function = ext.FUNCTIONS.get(name)
    if function is None or len(function.parameters) != len(shapes):
        return Rule((Demand(False, f"wrong number of arguments for `{name}`", ErrorKind.EXTENSION),), ANYTHING)
    demands = tuple(
        needs(shape, parameter, value_class(_TYPES[parameter]))
        for parameter, shape in zip(function.parameters, shapes, strict=True)
    )
    return Rule(demands, _TYPES[function.result], sure=name not in _FAILING_FUNCTIONS)
