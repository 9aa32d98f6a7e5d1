"""Guards: behind `x has a &&`, reading `x.a` needs no test of its own.

Evaluation is pure, so what was true of an expression is true of it again in the same decision. This needs no schema: it
follows from how a condition is written.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from pdp.cedar.nodes import UnaryOp
from pdp.compiler.terms import All, Apply, Choice, Form, Hole, Input, IsIn, Some, Term, Truth

_Facts: TypeAlias = frozenset[tuple[Term, ...]]
"""Terms and names of attributes that they have."""

_NO_FACTS: Final[_Facts] = frozenset()


def guarded(term: Term) -> Term:
    """The term, with `sure` set on every read that a `has` guards."""
    return _guarded(term, _NO_FACTS)[0]


def _guarded(term: Term, facts: _Facts) -> tuple[Term, _Facts, _Facts]:
    """The term where these facts hold; and what holds besides if it is true, and if it is false."""
    match term:
        case Hole() | Truth() | Input():
            return term, _NO_FACTS, _NO_FACTS
        case All(operands):
            parts, learned = _chain(operands, facts, when=True)
            return replace(term, operands=parts), learned, _NO_FACTS
        case Some(operands):
            parts, learned = _chain(operands, facts, when=False)
            return replace(term, operands=parts), _NO_FACTS, learned
        case Choice(condition, consequent, alternative):
            test, if_true, if_false = _guarded(condition, facts)
            then, otherwise = _guarded(consequent, facts | if_true)[0], _guarded(alternative, facts | if_false)[0]
            return Choice(test, then, otherwise, span=term.span), _NO_FACTS, _NO_FACTS
        case IsIn(operand, _, ancestor):
            operand, ancestor = _guarded(operand, facts)[0], _guarded(ancestor, facts)[0]
            return replace(term, operand=operand, ancestor=ancestor), _NO_FACTS, _NO_FACTS
        case Apply(UnaryOp.NOT, (operand,)):
            operand, if_true, if_false = _guarded(operand, facts)
            return replace(term, operands=(operand,)), if_false, if_true
        case Apply(operation, operands):
            parts = tuple([_guarded(operand, facts)[0] for operand in operands])
            applied = replace(term, operands=parts, sure=operation is Form.GET and operands in facts)
            return applied, frozenset([operands]) if operation is Form.HAS else _NO_FACTS, _NO_FACTS
        case _:
            assert_never(term)


def _chain(operands: Iterable[Term], facts: _Facts, *, when: bool) -> tuple[tuple[Term, ...], _Facts]:
    """Operands, each evaluated only when those before it have been `when`; and what holds when all have been."""
    parts: list[Term] = []
    learned = _NO_FACTS
    for operand in operands:
        part, if_true, if_false = _guarded(operand, facts | learned)
        parts.append(part)
        learned |= if_true if when else if_false
    return tuple(parts), learned
