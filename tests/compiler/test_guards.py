"""Guards: which reads are certain to find their attribute because a `has` stands before them."""

from collections.abc import Iterator

import pytest

from pdp.cedar.policy import Condition, ConditionKind
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import EntityUID
from pdp.compiler.fold import fold_together
from pdp.compiler.guards import guarded
from pdp.compiler.situation import Situation
from pdp.compiler.terms import Apply, Form, Hole, Term, operands_of

ANY = Situation(EntityUID("Action", "read"), frozenset(), None, None)


def reads(text: str) -> list[tuple[str, bool]]:
    """The attributes that an expression reads, in order, and whether each is certain to be there."""
    condition = Condition(ConditionKind.WHEN, parse_expression(Source("test", text)))
    folded = fold_together([[condition]], ANY, {})
    return [(str(folded.constants[name.index]), sure) for name, sure in _reads(guarded(folded.terms[0]))]


def _reads(term: Term) -> Iterator[tuple[Hole, bool]]:
    for operand in operands_of(term):
        yield from _reads(operand)
    match term:
        case Apply(Form.GET, (_, Hole() as name)):
            yield name, term.sure


@pytest.mark.parametrize(
    "text",
    [
        "context has a && context.a",
        "context has a && (context.b || context.a)",
        "context has a && !context.a",
        "!(context has a) || context.a",
        "if context has a then context.a else false",
        "if !(context has a) then false else context.a",
        "(context has a && context.b) && context.a",
        "!(!(context has a) || context.b) && context.a",
        "context has a && [context.a].contains(1)",
        "context has a && {x: context.a}.x",
        "context has a && (if context.b then context.a else context.a)",
        "context has a && context.b is User in context.a",
        "context has a && context.a.b.c",
    ],
)
def test_behind_a_has_the_attribute_is_there(text: str) -> None:
    assert {sure for name, sure in reads(text) if name == "a"} == {True}
    assert {sure for name, sure in reads(text) if name != "a"} <= {False}


@pytest.mark.parametrize(
    "text",
    [
        "context.a && context has a",
        "context has a || context.a",
        "context has b && context.a",
        "principal has a && context.a",
        "context.x has a && context.y.a",
        "!(context has a || context.b) || context.a",
        "(context has a || context.b) && context.a",
        "if context has a then true else context.a",
        "(if context.b then context has a else true) && context.a",
        "((context has a) == true) && context.a",
    ],
)
def test_anywhere_else_it_may_be_missing(text: str) -> None:
    assert {sure for name, sure in reads(text) if name == "a"} == {False}


def test_each_step_of_a_path_guards_the_next() -> None:
    assert reads("context has a.b && context.a.b.c") == [("a", True), ("a", True), ("b", True), ("c", False)]
    assert reads("context.a has b && context.a.b") == [("a", False), ("a", False), ("b", True)]
