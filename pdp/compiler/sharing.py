"""Sharing: which terms several conditions have in common, so that a decision computes each once."""

from collections.abc import Sequence

from pdp.cedar.nodes import BinaryOp
from pdp.compiler.terms import Apply, Form, Hole, Input, Term, Truth, operands_of


def shared_terms(terms: Sequence[Term]) -> dict[Term, str]:
    """Terms that occur more than once and are worth being kept, each with a name.

    What occurs only inside of such a term is not kept a second time.
    """
    met: set[Term] = set()
    again: dict[Term, None] = {}
    for term in terms:
        _count(term, met, again)
    return {term: f"m{index}" for index, term in enumerate(again)}


def _count(term: Term, met: set[Term], again: dict[Term, None]) -> None:
    if term in met:
        again[term] = None
        return
    if not _is_cheap(term):
        met.add(term)
    for operand in operands_of(term):
        _count(operand, met, again)


def _is_cheap(term: Term) -> bool:
    """Whether a term costs no more than to ask whether its value is kept."""
    match term:
        case Hole() | Truth() | Input():
            return True
        case Apply(Form.HAS | Form.IS | BinaryOp.EQ | BinaryOp.NE, operands):
            return all(isinstance(operand, Hole | Truth | Input) for operand in operands)
        case _:
            return False
