"""Folding: a policy's conditions become one term, its constants a tuple beside it.

What can be done now is: constant parts are evaluated (an `ip("10.0.0.0/8")` is parsed once and not at each decision)
and branches that are never taken are dropped. A constant part that fails is left in place, so that it fails at its
turn, with its own error, and only if it is reached. What asks the entity store is never constant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never, final

from pdp.cedar import ext
from pdp.cedar.entities import Entity
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import (
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
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
    in_name_order,
)
from pdp.cedar.policy import Condition, ConditionKind
from pdp.cedar.source import Span
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.compiler.operations import BINARY, UNARY
from pdp.compiler.situation import Situation
from pdp.compiler.terms import All, Apply, Choice, Constant, Form, Hole, Input, IsIn, Some, Term, Truth, Type
from pdp.evaluate import operators

_DESUGARED_PATH: Final = 4
"""`has` paths up to this long on a variable become one test per name; the term grows with the square of the length."""

_TYPES: Final[dict[type, Type]] = {
    bool: Type.BOOL,
    int: Type.LONG,
    str: Type.STRING,
    EntityUID: Type.ENTITY,
    Set: Type.SET,
    Record: Type.RECORD,
}

_RESULTS: Final[dict[str, Type]] = {"bool": Type.BOOL, "long": Type.LONG}

_ARITHMETIC: Final = frozenset((BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL))

_NO_TYPES: Final[Mapping[int, Type]] = {}


@final
@dataclass(frozen=True, slots=True)
class Folded:
    """A condition as its shape and what fills the shape's holes."""

    term: Term
    constants: tuple[Constant, ...]


@final
@dataclass(frozen=True, slots=True)
class FoldedTogether:
    """The conditions of several policies, and what fills the holes of all: equal constants fill one hole."""

    terms: tuple[Term, ...]
    constants: tuple[Constant, ...]


class _StoreNeededError(Exception):
    """A part that looked constant asked the entity store."""


def fold(conditions: Sequence[Condition]) -> Folded:
    """All conditions of a policy, in order, as one term of type Bool; no conditions are `Truth(True)`."""
    folder = _Folder()
    return Folded(folder.conjunction(_parts(conditions), None), tuple(folder.constants))


def fold_together(
    policies: Iterable[Sequence[Condition]], situation: Situation, types: Mapping[int, Type]
) -> FoldedTogether:
    """The conditions of each policy as one term, given what is known of the request, and types by `id` of expressions.

    An expression has a type only if it cannot meet a type error, nor a missing attribute or tag.
    """
    folder = _Folder(situation, types)
    held = [_parts(conditions) for conditions in policies]
    terms = tuple([folder.conjunction(parts, None) for parts in held])
    return FoldedTogether(terms, tuple(folder.constants))


def _parts(conditions: Sequence[Condition]) -> list[Expr]:
    parts: list[Expr] = []
    for condition in conditions:
        body = condition.body
        negated = condition.kind is ConditionKind.UNLESS
        parts.append(Unary(UnaryOp.NOT, body, span=body.span) if negated else body)
    return parts


@final
class _Folder:
    """One folding. `_known` is keyed by the identity of nodes: whoever folds them must hold them meanwhile.

    In a situation, policies are folded together, and equal constants fill one hole.
    """

    def __init__(self, situation: Situation | None = None, types: Mapping[int, Type] = _NO_TYPES) -> None:
        self.constants: list[Constant] = []
        self._situation: Final = situation
        self._types: Final = types
        self._holes: dict[tuple[type, Constant], int] = {}
        self._known: dict[int, Value | None] = {}

    def known(self, expr: Expr) -> Value | None:
        """The value of an expression that is constant and does not fail, else None."""
        if id(expr) not in self._known:
            try:
                self._known[id(expr)] = self._value(expr)
            except (EvaluationError, _StoreNeededError):
                self._known[id(expr)] = None
        return self._known[id(expr)]

    def _value(self, expr: Expr) -> Value | None:
        match expr:
            case Literal(constant):
                return constant
            case Variable(name):
                return self._situation.action if self._situation and name is Var.ACTION else None
            case And(operands):
                return self._decided(operands, stop=False)
            case Or(operands):
                return self._decided(operands, stop=True)
            case If(condition, consequent, alternative):
                chosen = self.known(condition)
                if type(chosen) is not bool:
                    return None
                return self.known(consequent if chosen else alternative)
            case Unary(op, operand):
                value = self.known(operand)
                return None if value is None else UNARY[op](value)
            case Binary(op, left, right):
                first, second = self.known(left), self.known(right)
                if first is None or second is None:
                    return None
                if op is BinaryOp.IN and isinstance(left, Variable):
                    return operators.is_in(first, second, self._lookup_action)
                return BINARY[op](first, second) if op in BINARY else None
            case GetAttr(operand, name):
                value = self.known(operand)
                return None if value is None else operators.get_attribute(value, name, _no_store)
            case HasAttr(operand, path):
                value = self.known(operand)
                return None if value is None else operators.has_path(value, path, _no_store)
            case Like(operand, pattern):
                value = self.known(operand)
                return None if value is None else operators.like(value, pattern)
            case Is(operand, entity_type, ancestor):
                value = self.known(operand)
                if value is not None:
                    fits: bool | None = operators.is_type(value, entity_type)
                else:
                    fits = self._situation.settles(operand, entity_type) if self._situation else None
                return None if fits and ancestor is not None else fits
            case SetLiteral(elements):
                values = self._all_known(elements)
                return None if values is None else Set(values)
            case RecordLiteral(fields):
                values = self._all_known([value for _, value in fields])
                names = [name for name, _ in fields]
                return None if values is None else Record(dict(zip(names, values, strict=True)))
            case Call(function, arguments):
                values = self._all_known(arguments)
                return None if values is None else ext.call(function, values)
            case _:
                assert_never(expr)

    def _lookup_action(self, uid: EntityUID) -> Entity | None:
        if self._situation is None or uid != self._situation.action:
            raise _StoreNeededError(uid)
        return Entity(uid, ancestors=self._situation.groups)

    def _decided(self, operands: Sequence[Expr], *, stop: bool) -> bool | None:
        """The value of `&&` (stop=False) or `||` (stop=True), if constant operands decide it."""
        for operand in operands:
            value = self.known(operand)
            if type(value) is not bool:
                return None
            if value is stop:
                return stop
        return not stop

    def _all_known(self, exprs: Sequence[Expr]) -> list[Value] | None:
        values: list[Value] = []
        for expr in exprs:
            value = self.known(expr)
            if value is None:
                return None
            values.append(value)
        return values

    def term(self, expr: Expr) -> Term:
        """The term of an expression, its constants lifted into holes."""
        value = self.known(expr)
        if value is True or value is False:
            return Truth(value, span=expr.span)
        if value is not None:
            return self._hole(value, _TYPES.get(type(value), Type.EXTENSION), expr.span)
        match expr:
            case Literal(constant):  # known above; a literal always is
                raise AssertionError(constant)
            case Variable(name):
                return Input(name, span=expr.span)
            case And(operands):
                return self.conjunction(operands, expr.span)
            case Or(operands):
                return Some(tuple(self._until(operands, stop=True)), span=expr.span)
            case If(condition, consequent, alternative):
                return self._choice(condition, consequent, alternative, expr.span)
            case Unary(op, operand):
                known = Type.LONG if op is UnaryOp.NEGATE else Type.BOOL
                return Apply(op, (self.term(operand),), known, span=expr.span)
            case Binary(op, left, right):
                known = Type.LONG if op in _ARITHMETIC else Type.BOOL
                if op is BinaryOp.GET_TAG:
                    known = self._types.get(id(expr), Type.UNKNOWN)
                return self._binary(op, left, right, known, expr.span)
            case GetAttr(operand, name):
                known = self._types.get(id(expr), Type.UNKNOWN)
                return self._with_constant(Form.GET, operand, name, known, expr.span)
            case HasAttr(operand, path):
                return self._has(operand, path, expr.span)
            case Like(operand, pattern):
                return self._with_constant(Form.LIKE, operand, pattern, Type.BOOL, expr.span)
            case Is(operand, entity_type, ancestor):
                return self._is(operand, entity_type, ancestor, expr.span)
            case SetLiteral(elements):
                return Apply(Form.SET, tuple([self.term(element) for element in elements]), Type.SET, span=expr.span)
            case RecordLiteral(fields):
                fields = tuple(in_name_order(fields))
                names = self._hole(tuple(name for name, _ in fields), Type.UNKNOWN, expr.span)
                values = [self.term(value) for _, value in fields]
                return Apply(Form.RECORD, (names, *values), Type.RECORD, span=expr.span)
            case Call(function, arguments):
                # A call that has a type has the right arguments, too.
                form = Form.APPLY if id(expr) in self._types else Form.CALL
                callee = self._hole(
                    ext.FUNCTIONS[function].apply if form is Form.APPLY else function, Type.UNKNOWN, expr.span
                )
                values = [self.term(argument) for argument in arguments]
                return Apply(form, (callee, *values), _result(function), span=expr.span)
            case _:
                assert_never(expr)

    def conjunction(self, operands: Sequence[Expr], span: Span | None) -> Term:
        """`&&` of any number of operands, none included; a constant one that decides nothing is dropped."""
        terms = self._until(operands, stop=False)
        match terms:
            case []:
                return Truth(True, span=span)
            case [Truth() as only]:
                return only
            case _:
                return All(tuple(terms), span=span)

    def _until(self, operands: Sequence[Expr], *, stop: bool) -> list[Term]:
        """The operands that can be reached: constants that do not stop are left out, what follows one that does is."""
        terms: list[Term] = []
        for operand in operands:
            value = self.known(operand)
            if type(value) is bool:
                if value is stop:
                    terms.append(Truth(stop, span=operand.span))
                    break
                continue
            term = self.term(operand)
            nested = term.operands if isinstance(term, Some if stop else All) else (term,)
            terms += nested
            if isinstance(nested[-1], Truth):
                break
        return terms

    def _choice(self, condition: Expr, consequent: Expr, alternative: Expr, span: Span | None) -> Term:
        chosen = self.known(condition)
        if type(chosen) is bool:
            return self.term(consequent if chosen else alternative)
        return Choice(self.term(condition), self.term(consequent), self.term(alternative), span=span)

    def _binary(self, op: BinaryOp, left: Expr, right: Expr, known: Type, span: Span | None) -> Term:
        if op is BinaryOp.IN:
            targets = self.known(right)
            if type(targets) is Set and targets.only_entities:
                entities = frozenset(uid for uid in targets.elements if isinstance(uid, EntityUID))
                return self._with_constant(Form.IN_ANY, left, entities, Type.BOOL, span)
        first = self.term(left)
        return Apply(op, (first, self.term(right)), known, span=span)

    def _has(self, operand: Expr, path: tuple[str, ...], span: Span | None) -> Term:
        if len(path) == 1:
            return self._with_constant(Form.HAS, operand, path[0], Type.BOOL, span)
        if not isinstance(operand, Variable) or len(path) > _DESUGARED_PATH:
            return self._with_constant(Form.HAS_PATH, operand, path, Type.BOOL, span)
        # A variable may be evaluated again for each step: it costs nothing and cannot fail.
        tests: list[Term] = []
        for step in range(len(path)):
            target: Term = Input(operand.name, span=operand.span)
            for name in path[:step]:
                target = Apply(Form.GET, (target, self._hole(name, Type.STRING, span)), Type.UNKNOWN, span=span)
            last = self._hole(path[step], Type.STRING, span)
            tests.append(Apply(Form.HAS, (target, last), Type.BOOL, span=span))
        return All(tuple(tests), span=span)

    def _is(self, operand: Expr, entity_type: str, ancestor: Expr | None, span: Span | None) -> Term:
        if ancestor is not None and not isinstance(operand, Variable):
            value = self.term(operand)
            return IsIn(value, self._hole(entity_type, Type.STRING, span), self.term(ancestor), span=span)
        test = self._with_constant(Form.IS, operand, entity_type, Type.BOOL, span)
        if ancestor is None:
            return test
        return All((test, self._binary(BinaryOp.IN, operand, ancestor, Type.BOOL, span)), span=span)

    def _with_constant(self, form: Form, operand: Expr, constant: Constant, known: Type, span: Span | None) -> Apply:
        value = self.term(operand)
        kind = Type.STRING if isinstance(constant, str) else Type.UNKNOWN
        return Apply(form, (value, self._hole(constant, kind, span)), known, span=span)

    def _hole(self, constant: Constant, known: Type, span: Span | None) -> Hole:
        index = len(self.constants)
        if self._situation is not None:
            index = self._holes.setdefault((type(constant), constant), index)
        if index == len(self.constants):
            self.constants.append(constant)
        return Hole(index, known, span=span)


def _result(function: str) -> Type:
    known = ext.FUNCTIONS.get(function)
    return Type.UNKNOWN if known is None else _RESULTS.get(known.result, Type.EXTENSION)


def _no_store(uid: EntityUID) -> Entity | None:
    raise _StoreNeededError(uid)
