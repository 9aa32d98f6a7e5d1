"""Expressions to what is left of them once a part of the request is known.

INVARIANT: for every request that completes the partial one, with the same entities, what comes out has the value of
what goes in, or fails with an error of the same kind. Reducing it again changes nothing. It is never deeper, but for
values that are written out; `policies` sees to the limit.

A part is *certain* (one value, whatever the unknowns are), *failing*, or *open*: an expression with the shape of its
value, which is *total* if it never fails. Only what is total may be left out. Below, `v` is certain, `e` failing, `x`
and `y` open, `t` and `u` open and total; on the right stands what becomes of the left.

    v op v, v.a, f(v) ...        what the interpreter says, with the store; what is too large to be written stays
    e op x, t op e, v op e       e, in the order of evaluation
    x op e                       stays; it fails for certain, of which kind is open
    true && x, false || x        x, which must be a Bool; where it need not be one, `true && x`
    t && false, t || true        false, true; `x && t && false` is `x && false`; what follows is left out
    x && e                       stays, and is false or fails; what follows is left out; `||` likewise
    x && (y && z)                x && y && z; `||` likewise
    if v then a else b           a or b
    if t then v else v           v, if it has a literal; two branches that fail alike fail, whatever t is
    t == u, t.contains(u) ...    false, where the shapes have no value in common: values of two types, references to
                                 entities of two types, an entity and those that an unknown can be; `!=` is true
    t is T                       true or false, by the entity types that are possible
    x is T in y                  x in y, where the type is certain; false, where it is another one, or `x in y` is
    v in t                       false, if neither v nor an ancestor is of a type that t can be
    t in v                       true or false, if it is so for all that t can be: an action, an enumerated entity
    t in u                       false, if the schema puts no such entity below any such other
    t has a                      true or false: known by the context, the store or a record literal; required in a
                                 record, or in an entity that is in the store; not declared; tested before
    t.a                          total, where `t has a` is true; failing, where it is false; certain, if the value is
    t.hasTag(k)                  false, if the schema gives no possible type tags; true, if tested before
    t.getTag(k)                  total, if tested before; failing, where there are no tags
    !t, t < u, t like p ...      total, if the operands are of the right types; failing, if one certainly is not
    t + u, -t, ip(t) ...         never total: they overflow, or refuse their argument

"Tested before" is to the right of `&&`, and in the `then` of an `if` (`validate.capabilities`).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, assert_never, final

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
from pdp.cedar.request import Request
from pdp.cedar.source import Span
from pdp.cedar.text.depth import children
from pdp.cedar.validate.capabilities import NOTHING, Capabilities, Capability, Known
from pdp.cedar.values import EntityUID, Record, Value
from pdp.evaluate.interpreter import evaluate
from pdp.evaluate.partial.residual import (
    Certain,
    Failing,
    Open,
    Reduced,
    Strict,
    is_total,
    must_be_bool,
    rebuild,
    shape_of,
    without_check,
)
from pdp.evaluate.partial.rules import Rule, Typed, membership, needs, rule
from pdp.evaluate.partial.shapes import BOOL, NEVER, Exactly, Shape, is_exactly, references
from pdp.evaluate.partial.world import Certainty, World
from pdp.evaluate.partial.written import is_constructed, is_scalar, write

_REMEMBERED_PATH: Final = 8
"""Names of a `has` path that are remembered: the expression for the last one is as deep as there are names."""

_NOBODY: Final = EntityUID("Nobody", "")


@final
class Reducer:
    """Reduces expressions for one partial request. With `write_out`, known sets and records are written as literals.

    Without it they stay what reads them, and so the result is never deeper than what goes in.
    """

    def __init__(self, world: World, *, write_out: bool) -> None:
        self._world = world
        self._write_out = write_out

    def reduce(self, expr: Expr, known: Known) -> Reduced:
        """What is left of an expression, evaluated where `known` holds."""
        match expr:
            case Literal(value):
                return Certain(value, expr)
            case Variable(name):
                return self._opened(expr, self._world.variables[name], total=True)
            case And(operands):
                return self.chain(operands, expr.span, known, stop=False)
            case Or(operands):
                return self.chain(operands, expr.span, known, stop=True)
            case If():
                return self._if(expr, known)
            case HasAttr():
                return self._has(expr, known)
            case Is():
                return self._is(expr, known)
            case Unary() | Binary() | GetAttr() | Like() | SetLiteral() | RecordLiteral() | Call():
                return self._strict(expr, known)
            case _:
                assert_never(expr)

    def _boolean(self, expr: Expr, known: Known) -> Reduced:
        """The same where only a Bool can stand: a value that is none is a failure. See `without_check`."""
        return _checked(self.reduce(expr, known))

    def chain(self, operands: Sequence[Expr], span: Span | None, known: Known, *, stop: bool) -> Reduced:
        """`&&` (stop=False) or `||` (stop=True) of any number of operands, none included."""
        same = Or if stop else And
        here = Known(known)
        pending = deque(operands)
        kept: list[Open] = []
        end: Reduced | None = None
        while pending and end is None:
            operand = pending.popleft()
            if isinstance(operand, same):
                pending.extendleft(reversed(operand.operands))
                continue
            reduced = self.reduce(operand, here)
            if isinstance(reduced, Open) and isinstance(reduced.expr, same):
                pending.extendleft(reversed(reduced.expr.operands))
                continue
            part = _checked(reduced)
            if isinstance(part, Certain):
                end = part if part.value is stop else None
            elif isinstance(part, Failing) or is_exactly(part.shape, stop):
                end = part
            else:
                kept.append(part)
                if not stop:
                    here.learn(part.gained)
        return _chained(kept, end, span, stop=stop)

    def _if(self, expr: If, known: Known) -> Reduced:
        condition = self._boolean(expr.condition, known)
        if isinstance(condition, Failing):
            return condition
        if isinstance(condition, Certain):
            return self.reduce(expr.consequent if condition.value is True else expr.alternative, known)
        there = Known(known)
        there.learn(condition.gained)
        then = self.reduce(expr.consequent, there)
        otherwise = self.reduce(expr.alternative, known)
        whole = If(without_check(condition.expr), then.expr, otherwise.expr, span=expr.span)
        if isinstance(then, Failing) and isinstance(otherwise, Failing):
            return Failing(whole, then.error if condition.total and _same_kind(then, otherwise) else None)
        branches = (then, False, condition.gained), (otherwise, True, NOTHING)
        alive = [(branch, tested) for branch, dead, tested in branches if not is_exactly(condition.shape, dead)]
        shape = self._world.join(shape_of(alive[0][0]), shape_of(alive[-1][0]))
        total = condition.total and is_total(then) and is_total(otherwise)
        gained = _in_common([_gained(branch, tested) for branch, tested in alive])
        if isinstance(shape, Exactly) and not is_scalar(shape.value):
            # Equal values may be written differently: it stays open which way, until one is chosen.
            return Open(whole, shape, total, gained)
        return self._opened(whole, shape, total=total, gained=gained)

    def _is(self, expr: Is, known: Known) -> Reduced:
        operand = self.reduce(expr.operand, known)
        if isinstance(operand, Failing):
            return operand
        entity = needs(shape_of(operand), "entity", EntityUID)
        types = references(shape_of(operand)).types
        certain: Certainty = None
        if types is not None and (expr.entity_type not in types or len(types) == 1):
            certain = expr.entity_type in types
        alone = Is(operand.expr, expr.entity_type, span=expr.span)
        if expr.ancestor is None or certain is False or entity.met is False:
            shape = BOOL if certain is None else Exactly(certain)
            return self._applied(alone, (operand,), Rule((entity,), shape))
        ancestor = self.reduce(expr.ancestor, known)
        if certain is True:
            whole = Binary(BinaryOp.IN, operand.expr, ancestor.expr, span=expr.span)
            operands = operand, ancestor
            return self._early(whole, operands) or self._applied(
                whole, operands, membership(shape_of(operand), shape_of(ancestor), self._world)
            )
        return self._is_in(alone, operand, ancestor)

    def _is_in(self, alone: Is, operand: Certain | Open, ancestor: Reduced) -> Reduced:
        """`x is T in y`, where x may be a T; y is evaluated only if it is one."""
        whole = Is(alone.operand, alone.entity_type, ancestor.expr, span=alone.span)
        entity = needs(shape_of(operand), "entity", EntityUID)
        tested = is_total(operand) and entity.met is True
        if isinstance(ancestor, Failing):
            return Open(whole, Exactly(False), total=False)
        narrowed = replace(references(shape_of(operand)), types=frozenset((alone.entity_type,)))
        inside = membership(narrowed, shape_of(ancestor), self._world)
        if inside.fails:
            return Open(whole, Exactly(False), total=False)
        total = tested and inside.keeps and is_total(ancestor)
        shape = inside.shape if is_exactly(inside.shape, False) else BOOL
        return self._opened(whole, shape, total=total)

    def _has(self, expr: HasAttr, known: Known) -> Reduced:
        operand = self.reduce(expr.operand, known)
        whole = HasAttr(operand.expr, expr.path, span=expr.span)
        early = self._early(whole, (operand,))
        if early is not None:
            return early
        shape, total, always = shape_of(operand), is_total(operand), True
        target: Expr = operand.expr
        gained: list[Capability] = []
        for step, name in enumerate(expr.path):
            owner = needs(shape, "record or entity", Record, EntityUID)
            there, inner = self._world.attribute(shape, name)
            if step < _REMEMBERED_PATH and (target, name) in known:
                owner, there, total = owner._replace(met=True), True, True
            if owner.met is False:
                # Whatever is before this step is there, or the answer is false already.
                failing = Rule((owner,), NEVER)
                return self._applied(whole, (operand,), failing) if always else Open(whole, Exactly(False), total=False)
            total = total and owner.met is True
            if there is False:
                return self._opened(whole, Exactly(False), total=total)
            always = always and there is True
            if step < _REMEMBERED_PATH:
                gained.append((target, name))
                target = GetAttr(target, name, span=expr.span)
            shape = inner
        return self._opened(whole, Exactly(True) if always else BOOL, total=total, gained=frozenset(gained))

    def _strict(self, node: Typed, known: Known) -> Reduced:
        if isinstance(node, RecordLiteral):
            node = RecordLiteral(tuple(in_name_order(node.fields)), span=node.span)
        if isinstance(node, Unary) and node.op is UnaryOp.NOT:
            operands = [self._boolean(node.operand, known)]
            whole: Strict = Unary(UnaryOp.NOT, without_check(operands[0].expr), span=node.span)
        else:
            operands = [self.reduce(child, known) for child in children(node)]
            whole = rebuild(node, [operand.expr for operand in operands])
        early = self._early(whole, operands)
        if early is not None:
            return early
        applied = rule(node, [shape_of(operand) for operand in operands], self._world)
        capability = _capability(whole)
        if capability is None:
            return self._applied(whole, operands, applied)
        if isinstance(whole, Binary) and whole.op is BinaryOp.HAS_TAG:
            if capability in known:
                return self._opened(whole, Exactly(True), total=True)
            return self._applied(whole, operands, applied, frozenset((capability,)))
        if capability in known:
            return self._opened(whole, applied.shape, total=True)
        return self._applied(whole, operands, applied)

    def _early(self, whole: Strict, operands: Sequence[Reduced]) -> Reduced | None:
        """What a node is because of one operand that fails, or because all are known."""
        total = True
        for operand in operands:
            if isinstance(operand, Failing):
                return operand if total else Failing(whole)
            total = total and is_total(operand)
        values = [operand.value for operand in operands if isinstance(operand, Certain)]
        return self._asked(whole, values) if len(values) == len(operands) else None

    def _asked(self, whole: Strict, values: Sequence[Value]) -> Certain | Failing:
        """The interpreter's answer for these operands: it gets them as attributes of a context of their own."""
        context = Record({str(index): value for index, value in enumerate(values)})
        operands = [GetAttr(Variable(Var.CONTEXT), name) for name in context.fields]
        request = Request(_NOBODY, _NOBODY, _NOBODY, context)
        try:
            value = evaluate(rebuild(whole, operands), request, self._world.entities)
        except EvaluationError as error:
            return Failing(whole, error)
        return self._known(value, whole)

    def _applied(
        self, whole: Expr, operands: Sequence[Reduced], applied: Rule, gained: Capabilities = NOTHING
    ) -> Reduced:
        """What a rule says of a node whose operands have values, if they do."""
        total = all(map(is_total, operands))
        if applied.fails:
            return Failing(whole, applied.failure if total else None)
        return self._opened(whole, applied.shape, total=total and applied.keeps, gained=gained)

    def _opened(self, expr: Expr, shape: Shape, *, total: bool, gained: Capabilities = NOTHING) -> Reduced:
        """An open expression; a certain one if there is always a value, and one alone; a failing one if never."""
        if shape is NEVER:
            return Failing(expr)
        if total and isinstance(shape, Exactly):
            return self._known(shape.value, expr)
        return Open(expr, shape, total, gained)

    def _known(self, value: Value, whole: Expr) -> Certain:
        if is_constructed(whole) or not (self._write_out or is_scalar(value)):
            return Certain(value, whole)
        written = write(value, whole.span)
        return Certain(value, whole if written is None else written)


def _checked(reduced: Reduced) -> Reduced:
    """A result where only a Bool can stand."""
    if isinstance(reduced, Failing):
        return reduced
    shape = shape_of(reduced)
    demand = needs(shape, "bool", bool)
    if demand.met is True:
        return reduced
    checked = must_be_bool(reduced.expr)
    if demand.met is None:
        return Open(checked, BOOL, total=False)
    if is_total(reduced):
        return Failing(checked, EvaluationError(demand.kind, demand.message))
    return Failing(checked)


def _chained(kept: list[Open], end: Reduced | None, span: Span | None, *, stop: bool) -> Reduced:
    """A chain of these operands, the last of which may be one that nothing behind is evaluated after."""
    if isinstance(end, Certain):
        while kept and kept[-1].total:
            kept.pop()
    if not kept:
        return end or Certain(not stop, Literal(not stop, span=span))
    if end is None and len(kept) == 1:
        return kept[0]
    parts: list[Reduced] = list(kept) if end is None else [*kept, end]
    operands = tuple(without_check(part.expr) for part in parts)
    whole = Or(operands, span=span) if stop else And(operands, span=span)
    gained = (_in_common if stop else _together)(map(_gained, parts))
    if end is not None:
        return Open(whole, Exactly(stop), total=False, gained=gained)
    shape = Exactly(not stop) if all(is_exactly(part.shape, not stop) for part in kept) else BOOL
    return Open(whole, shape, all(part.total for part in kept), gained)


def _same_kind(one: Failing, other: Failing) -> bool:
    return one.error is not None and other.error is not None and one.error.kind is other.error.kind


def _gained(reduced: Reduced, tested: Capabilities = NOTHING) -> Capabilities | None:
    """What is known once it was true, what was tested before included; None if it is never true."""
    if isinstance(reduced, Failing) or is_exactly(shape_of(reduced), False):
        return None
    return tested | reduced.gained if isinstance(reduced, Open) else tested


def _in_common(gains: Iterable[Capabilities | None]) -> Capabilities:
    """What is known once one of several alternatives was true."""
    possible = [gained for gained in gains if gained is not None]
    return set(possible[0]).intersection(*possible) if possible else NOTHING


def _together(gains: Iterable[Capabilities | None]) -> Capabilities:
    """What is known once all of several tests were true."""
    return set[Capability]().union(*(gained for gained in gains if gained is not None))


def _capability(node: Strict) -> Capability | None:
    """What a node needs to be total, or what it gives when it is true."""
    match node:
        case GetAttr(operand, name):
            return operand, name
        case Binary(BinaryOp.GET_TAG | BinaryOp.HAS_TAG, entity, tag):
            return entity, tag
        case _:
            return None
