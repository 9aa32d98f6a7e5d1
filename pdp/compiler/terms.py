"""What the compiler works on between folding and lowering: conditions with their constants taken out.

A `Term` is the *shape* of a condition. Entity ids, strings, numbers, patterns, attribute and type names are `Hole`s, so
policies that differ only in those have equal terms and share one code object, and no text of a policy is ever part of
generated code. Bools are the exception: they decide what code there is.

Spans take no part in equality, as in `pdp.cedar.nodes`. INVARIANT: a term keeps every evaluation that could fail, in
the order in which Cedar evaluates.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto, unique
from typing import TypeAlias, assert_never, final

from pdp.cedar.nodes import BinaryOp, Pattern, UnaryOp, Var
from pdp.cedar.source import Span
from pdp.cedar.values import EntityUID, Value

Constant: TypeAlias = Value | Pattern | tuple[str, ...] | frozenset[EntityUID] | Callable[..., Value]
"""What fills a hole: a Cedar value, a `like` pattern, a path or field names, a set of entities ready for `in`, or an
extension function."""


@unique
class Type(Enum):
    """What is known of a term's value before evaluation."""

    BOOL = auto()
    LONG = auto()
    STRING = auto()
    ENTITY = auto()
    SET = auto()
    RECORD = auto()
    EXTENSION = auto()
    UNKNOWN = auto()


@unique
class Form(Enum):
    """Strict operations that are not operators in `nodes`; each comment says what the operands are."""

    GET = auto()  # x, attribute name
    HAS = auto()  # x, attribute name
    HAS_PATH = auto()  # x, path of two or more names
    LIKE = auto()  # x, pattern
    IS = auto()  # x, entity type
    IN_ANY = auto()  # x, constant frozenset of entities
    SET = auto()  # elements
    RECORD = auto()  # names, then one value each
    CALL = auto()  # function name, then arguments
    APPLY = auto()  # function, then arguments of the right number and types


Operation: TypeAlias = UnaryOp | BinaryOp | Form


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    span: Span | None = field(default=None, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Hole(_Term):
    """The constant number `index` of the policy; of a known type if it is a Cedar value."""

    index: int
    type: Type


@final
@dataclass(frozen=True, slots=True)
class Truth(_Term):
    """`true` or `false`."""

    value: bool


@final
@dataclass(frozen=True, slots=True)
class Input(_Term):
    """A variable of the request."""

    name: Var


@final
@dataclass(frozen=True, slots=True)
class All(_Term):
    """Operands in order, each required to be a Bool, until one is false. One operand alone only demands a Bool."""

    operands: "tuple[Term, ...]"


@final
@dataclass(frozen=True, slots=True)
class Some(_Term):
    """As `All`, until one is true."""

    operands: "tuple[Term, ...]"


@final
@dataclass(frozen=True, slots=True)
class Choice(_Term):
    """`if`; only the chosen branch is evaluated."""

    condition: "Term"
    consequent: "Term"
    alternative: "Term"


@final
@dataclass(frozen=True, slots=True)
class IsIn(_Term):
    """`x is T in y`; y is evaluated only if x is a T."""

    operand: "Term"
    entity_type: Hole
    ancestor: "Term"


@final
@dataclass(frozen=True, slots=True)
class Apply(_Term):
    """An operation that evaluates all operands, left to right.

    `sure`: a `GET` of an attribute that is known to be there. It follows from the terms around: no part in equality.
    """

    operation: Operation
    operands: "tuple[Term, ...]"
    type: Type
    sure: bool = field(default=False, compare=False, kw_only=True)


Term: TypeAlias = Hole | Truth | Input | All | Some | Choice | IsIn | Apply


def static_type(term: Term) -> Type:
    """What is known of a term's value; UNKNOWN if nothing is."""
    match term:
        case Hole(_, known) | Apply(_, _, known):
            return known
        case Truth() | All() | Some() | IsIn():
            return Type.BOOL
        case Input(name):
            return Type.RECORD if name is Var.CONTEXT else Type.ENTITY
        case Choice(_, consequent, alternative):
            first = static_type(consequent)
            return first if first is static_type(alternative) else Type.UNKNOWN


def operands_of(term: Term) -> "tuple[Term, ...]":
    """The terms directly under a term, in the order in which they would be evaluated."""
    match term:
        case Hole() | Truth() | Input():
            return ()
        case All(operands) | Some(operands) | Apply(_, operands):
            return operands
        case Choice(condition, consequent, alternative):
            return condition, consequent, alternative
        case IsIn(operand, entity_type, ancestor):
            return operand, entity_type, ancestor
        case _:
            assert_never(term)


def size(term: Term) -> int:
    """How many terms there are in a term."""
    return 1 + sum(map(size, operands_of(term)))


def is_checked(term: Term) -> bool:
    """Whether the type that the term has is a schema's, elements included, and not what an operation gives anyway."""
    return isinstance(term, Apply) and term.operation in {Form.GET, BinaryOp.GET_TAG} and term.type is not Type.UNKNOWN


def cannot_fail(term: Term) -> bool:
    """Whether evaluation is certain to give a value."""
    match term:
        case Hole() | Truth() | Input():
            return True
        case Apply(Form.GET, (operand, _)):
            of_record = is_checked(term) and static_type(operand) is Type.RECORD
            return (term.sure or of_record) and cannot_fail(operand)
        case _:
            return False
