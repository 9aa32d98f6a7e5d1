"""The functions behind Cedar's operators: what folding applies now and generated code applies later.

The meanings are those of `pdp.evaluate.operators`; here stand only the few that the interpreter spells out in place,
and `RUNTIME`, the whole world of generated code: it sees these names and no other, Python's builtins included.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pdp.cedar import ext
from pdp.cedar.entities import Entity
from pdp.cedar.nodes import BinaryOp, UnaryOp
from pdp.cedar.values import EntityUID, Record, Set, Value, equal, key
from pdp.compiler.terms import Form, Operation
from pdp.evaluate import operators


def unequal(left: Value, right: Value) -> bool:
    """`a != b`."""
    return not equal(left, right)


def greater(left: Value, right: Value) -> bool:
    """`a > b`, which is `!(a <= b)`."""
    return not operators.less_or_equal(left, right)


def greater_or_equal(left: Value, right: Value) -> bool:
    """`a >= b`, which is `!(a < b)`."""
    return not operators.less(left, right)


def is_in_any(value: Value, targets: frozenset[EntityUID], lookup: operators.Lookup) -> bool:
    """`a in [b, c]` for a constant set of entities."""
    entity = operators.as_entity(value)
    if entity in targets:
        return True
    stored = lookup(entity)
    return stored is not None and not stored.ancestors.isdisjoint(targets)


NOBODY: Final = Entity(EntityUID("", ""))
"""Stands for any entity that the store does not hold, where only its attributes or ancestors are looked at."""


class _Absent(dict[str, Value]):
    """The attributes of an entity that the store does not hold: there are none, and reading one is Cedar's error."""

    def __init__(self, uid: EntityUID) -> None:
        super().__init__()
        self._uid = uid

    def __missing__(self, name: str) -> Value:
        return operators.get_attribute(self._uid, name, lambda _: None)


def absent(uid: EntityUID) -> Entity:
    """Stands for an entity that the store does not hold, where attributes are read without a test."""
    return Entity(uid, _Absent(uid))


def make_record(names: Sequence[str], values: Sequence[Value]) -> Record:
    """`{a: x, b: y}`."""
    return Record(dict(zip(names, values, strict=True)))


UNARY: Final[Mapping[UnaryOp, Callable[[Value], Value]]] = {
    UnaryOp.NOT: operators.logical_not,
    UnaryOp.NEGATE: operators.negate,
    UnaryOp.IS_EMPTY: operators.is_empty,
}

BINARY: Final[Mapping[BinaryOp, Callable[[Value, Value], Value]]] = {
    BinaryOp.EQ: equal,
    BinaryOp.NE: unequal,
    BinaryOp.LT: operators.less,
    BinaryOp.LE: operators.less_or_equal,
    BinaryOp.GT: greater,
    BinaryOp.GE: greater_or_equal,
    BinaryOp.ADD: operators.add,
    BinaryOp.SUB: operators.subtract,
    BinaryOp.MUL: operators.multiply,
    BinaryOp.CONTAINS: operators.contains,
    BinaryOp.CONTAINS_ALL: operators.contains_all,
    BinaryOp.CONTAINS_ANY: operators.contains_any,
}
"""The operators of two operands that do not ask the entity store."""

_STORED: Final[Mapping[Operation, Callable[..., Value]]] = {
    BinaryOp.IN: operators.is_in,
    BinaryOp.GET_TAG: operators.get_tag,
    BinaryOp.HAS_TAG: operators.has_tag,
    Form.GET: operators.get_attribute,
    Form.HAS: operators.has_attribute,
    Form.HAS_PATH: operators.has_path,
    Form.IN_ANY: is_in_any,
}

_FORMS: Final[Mapping[Operation, Callable[..., Value]]] = {
    Form.LIKE: operators.like,
    Form.IS: operators.is_type,
    Form.SET: Set,
    Form.RECORD: make_record,
    Form.CALL: ext.call,
}

_FUNCTIONS: Final[Mapping[Operation, Callable[..., Value]]] = dict(
    (*UNARY.items(), *BINARY.items(), *_STORED.items(), *_FORMS.items())
)

ASKS_STORE: Final = frozenset(_STORED)
"""The operations whose function takes the store's lookup as its last argument."""

FUNCTION_NAMES: Final[Mapping[Operation, str]] = {
    operation: function.__name__ for operation, function in _FUNCTIONS.items()
}
"""What generated code calls each operation's function."""

RUNTIME: Final[Mapping[str, object]] = MappingProxyType(
    {function.__name__: function for function in _FUNCTIONS.values()}
    | {kind.__name__: kind for kind in (type, int, EntityUID, Record)}
    | {"as_bool": operators.as_bool, "key": key, "absent": absent, "NOBODY": NOBODY, "__builtins__": {}}
)
"""Everything that generated code can name. Its builtins are empty: there is nothing in it to escape to."""
