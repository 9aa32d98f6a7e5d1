"""Expressions as a closed union of frozen nodes (`Cedar/Spec/Expr.lean`; language reference, "Operators").

Spans take no part in equality: `parse(print(x)) == x`.
INVARIANT: the first operand of an `And` is never an `And`, nor an `Or`'s an `Or`: `a && b && c` is one node of three
operands (`conjoin`, `disjoin` keep it so). A right-nested chain written with parentheses stays nested.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, unique
from operator import itemgetter
from typing import Final, TypeAlias, final

from pdp.cedar.source import Span
from pdp.cedar.values import EntityUID


@unique
class Var(Enum):
    """The four variables of a request."""

    PRINCIPAL = "principal"
    ACTION = "action"
    RESOURCE = "resource"
    CONTEXT = "context"


@unique
class UnaryOp(Enum):
    """Operators of one operand; the values are the names of the JSON policy format."""

    NOT = "!"
    NEGATE = "neg"
    IS_EMPTY = "isEmpty"


@unique
class BinaryOp(Enum):
    """Operators that always evaluate both operands; the values are the names of the JSON policy format."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    ADD = "+"
    SUB = "-"
    MUL = "*"
    CONTAINS = "contains"
    CONTAINS_ALL = "containsAll"
    CONTAINS_ANY = "containsAny"
    GET_TAG = "getTag"
    HAS_TAG = "hasTag"


@final
class Wildcard(Enum):
    """The `*` of a `like` pattern."""

    ANY = "*"


ANY: Final = Wildcard.ANY
Pattern: TypeAlias = tuple[str | Wildcard, ...]
"""Literal runs and wildcards, in order; literal runs are not empty and never adjacent, nor are wildcards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    span: Span | None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Literal(_Node):
    """A Bool, Long, String or entity literal. Compares by type too: `Literal(True) != Literal(1)`."""

    value: bool | int | str | EntityUID

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@final
@dataclass(frozen=True, slots=True)
class Variable(_Node):
    """`principal`, `action`, `resource` or `context`."""

    name: Var


@final
@dataclass(frozen=True, slots=True)
class And(_Node):
    """Two or more operands, evaluated in order until one is false. Build with `conjoin`."""

    operands: "tuple[Expr, ...]"


@final
@dataclass(frozen=True, slots=True)
class Or(_Node):
    """Two or more operands, evaluated in order until one is true. Build with `disjoin`."""

    operands: "tuple[Expr, ...]"


@final
@dataclass(frozen=True, slots=True)
class If(_Node):
    """`if condition then consequent else alternative`; only the chosen branch is evaluated."""

    condition: "Expr"
    consequent: "Expr"
    alternative: "Expr"


@final
@dataclass(frozen=True, slots=True)
class Unary(_Node):
    """`!x`, `-x`, `x.isEmpty()`."""

    op: UnaryOp
    operand: "Expr"


@final
@dataclass(frozen=True, slots=True)
class Binary(_Node):
    """An operator of two operands, both evaluated, left first."""

    op: BinaryOp
    left: "Expr"
    right: "Expr"


@final
@dataclass(frozen=True, slots=True)
class GetAttr(_Node):
    """`x.name` or `x["name"]`."""

    operand: "Expr"
    name: str


@final
@dataclass(frozen=True, slots=True)
class HasAttr(_Node):
    """`x has a` (path of one) or `x has a.b.c`, which is `x has a && x.a has b && x.a.b has c`."""

    operand: "Expr"
    path: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class Like(_Node):
    """`x like "a*b"`."""

    operand: "Expr"
    pattern: Pattern


@final
@dataclass(frozen=True, slots=True)
class Is(_Node):
    """`x is T`, or `x is T in y` when `ancestor` is given."""

    operand: "Expr"
    entity_type: str
    ancestor: "Expr | None" = None


@final
@dataclass(frozen=True, slots=True)
class SetLiteral(_Node):
    """`[a, b]`; every element is evaluated."""

    elements: "tuple[Expr, ...]"


@final
@dataclass(frozen=True, slots=True)
class RecordLiteral(_Node):
    """`{a: x, "b": y}` in source order; names are distinct. Evaluated `in_name_order`."""

    fields: "tuple[tuple[str, Expr], ...]"


@final
@dataclass(frozen=True, slots=True)
class Call(_Node):
    """An extension function or method; of a method the receiver is the first argument. Arity is checked at run time."""

    function: str
    arguments: "tuple[Expr, ...]"


Expr: TypeAlias = (
    Literal
    | Variable
    | And
    | Or
    | If
    | Unary
    | Binary
    | GetAttr
    | HasAttr
    | Like
    | Is
    | SetLiteral
    | RecordLiteral
    | Call
)


def in_name_order(fields: "Iterable[tuple[str, Expr]]") -> "list[tuple[str, Expr]]":
    """A record's fields as they are evaluated: by name, code point by code point. So one error is met first."""
    return sorted(fields, key=itemgetter(0))


def conjoin(left: Expr, rest: Sequence[Expr], span: Span | None = None) -> Expr:
    """`left && rest[0] && ...`, flattened on the left; just `left` if there is no rest."""
    if not rest:
        return left
    first = left.operands if isinstance(left, And) else (left,)
    return And((*first, *rest), span=span)


def disjoin(left: Expr, rest: Sequence[Expr], span: Span | None = None) -> Expr:
    """`left || rest[0] || ...`, flattened on the left; just `left` if there is no rest."""
    if not rest:
        return left
    first = left.operands if isinstance(left, Or) else (left,)
    return Or((*first, *rest), span=span)
