"""Depth and size: what is left is never too deep if what went in was not, and large values are not written out."""

from collections.abc import Callable
from typing import Final, TypeVar

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ParseError
from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.depth import too_deep
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policy
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value
from pdp.evaluate.authorize import authorize
from pdp.evaluate.partial import PartialContext, PartialRequest, PartialResponse, Unknown, partial_authorize
from pdp.evaluate.partial.written import MAX_WRITTEN_LEVELS, MAX_WRITTEN_PARTS

_T = TypeVar("_T")

ANA, READ, DOC = EntityUID("User", "ana"), EntityUID("Action", "read"), EntityUID("Doc", "1")
_FRAMES: Final = 300

NESTINGS: Final = {
    "!": ("!(", ")"),
    "known &&": ("(context.yes && ", ")"),
    "&&": ("(resource has a && ", ")"),
    "known ||": ("(context.no || ", ")"),
    "||": ("((resource has a && resource.a) || ", ")"),
    "if": ("(if ", " then true else false)"),
    "then": ("(if resource has a then ", " else false)"),
    "known then": ("(if context.yes then (", " && resource.b) else false)"),
    "==": ("(", " == true)"),
    "set": ("[", "]"),
    "record": ("{b: ", ", a: resource}"),
    ".": ("", ".a"),
    "has": ("(", " has a.b.c)"),
    "is": ("(", " is Doc in resource)"),
    "in": ("(resource in ", ")"),
    "+": ("(1 + ", ")"),
    "call": ("", ".isInRange(resource.net)"),
}


def below(frames: int, run: Callable[[], _T]) -> _T:
    """What a call gives so many frames further down."""
    return run() if frames == 0 else below(frames - 1, run)


def when(condition: str) -> PolicySet:
    return PolicySet(parse_policies(Source("test", f"permit(principal, action, resource) when {{ {condition} }};")))


def deepest(opening: str, core: str, closing: str) -> PolicySet:
    """A form in itself, as often as the parser allows."""
    for times in range(MAX_EXPRESSION_DEPTH, 0, -1):
        try:
            return when(opening * times + core + closing * times)
        except ParseError:
            continue
    raise AssertionError(opening)


def asked(**context: Value) -> PartialRequest:
    return PartialRequest(ANA, READ, Unknown("Doc"), PartialContext(Record(context)))


def checked(policies: PolicySet, **context: Value) -> PartialResponse:
    """The response, if it is one that a deep call, the printer, the parser and the interpreter can do with."""
    partial = asked(**context)
    response = below(_FRAMES, lambda: partial_authorize(partial, policies, STORE))
    for policy in response.residuals.static.values():
        assert not any(too_deep(clause.body) for clause in policy.conditions)
        assert len(parse_policies(Source("printed", print_policy(policy)))) == 1
    again = partial_authorize(partial, response.residuals, STORE)
    assert (again.residuals, again.hopeless) == (response.residuals, response.hopeless)
    for resource in (DOC, EntityUID("Doc", "ghost")):
        request = Request(ANA, READ, resource, Record(context))
        ours, whole = response.complete(request, STORE), authorize(request, policies, STORE)
        assert (ours.decision, ours.reasons) == (whole.decision, whole.reasons)
        assert [error.kind for error in ours.errors] == [error.kind for error in whole.errors]
    return response


STORE: Final = Entities([Entity(ANA), Entity(DOC, {"a": True, "b": True, "deep": True, "net": 1})])


@pytest.mark.parametrize("core", ["resource.deep", "resource", "context.yes", "context.missing", "action.id"])
@pytest.mark.parametrize("form", NESTINGS)
def test_the_deepest_expressions(form: str, core: str) -> None:
    opening, closing = NESTINGS[form]
    checked(deepest(opening, core, closing), yes=True, no=False)


def test_a_check_that_remains_is_not_deeper() -> None:
    response = checked(deepest("(context.yes && ", "resource.deep", ") == true"), yes=True)
    (policy,) = response.residuals.static.values()
    assert "(true && resource.deep)" in print_policy(policy)


def test_long_chains() -> None:
    tests = " && ".join(f"resource has a{number} && resource.a{number} == {number}" for number in range(2_000))
    response = checked(when(tests))
    (policy,) = response.residuals.static.values()
    assert len(policy.conditions) == 4_000
    assert checked(when(f"{tests} && false")).unsatisfied == {"policy0"}
    alternatives = " || ".join(f"(resource has a{number} && resource.a{number})" for number in range(2_000))
    checked(when(alternatives))


def test_a_long_path() -> None:
    path = ".".join(f"a{number}" for number in range(3_000))
    checked(when(f"resource has {path} && resource has {path}"))


def in_records(value: Value, levels: int) -> Value:
    for _ in range(levels):
        value = Record({"a": value})
    return value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        (-5, "-5"),
        ('a"\n', r'"a\"\n"'),
        (ANA, 'User::"ana"'),
        (Set(), "[]"),
        (Record({"b": 1, "a": Set(["x"])}), '{a: ["x"], b: 1}'),
        (IPAddr(4, 10 << 24, 8), 'ip("10.0.0.0/8")'),
        (Decimal(-5000), 'decimal("-0.5")'),
        (Duration(1_500), 'duration("1s500ms")'),
        (Datetime(0), 'datetime("1970-01-01T00:00:00.000Z")'),
        (Datetime(2**62), 'datetime("1970-01-01").offset(duration("53375995583d15h36m27s904ms"))'),
        (Set(range(MAX_WRITTEN_PARTS - 1)), str(list(range(MAX_WRITTEN_PARTS - 1)))),
        (Set(range(MAX_WRITTEN_PARTS)), "context.value"),
        (in_records(1, MAX_WRITTEN_LEVELS - 1), "{a: " * 7 + "1" + "}" * 7),
        (in_records(1, MAX_WRITTEN_LEVELS), "context.value"),
    ],
)
def test_how_values_are_written(value: Value, written: str) -> None:
    response = checked(when("context.value == resource.a"), value=value)
    (policy,) = response.residuals.static.values()
    assert print_policy(policy) == f"permit(principal, action, resource)\nwhen {{ {written} == resource.a }};"


def test_a_large_value_is_read_all_the_same() -> None:
    large = Set(range(MAX_WRITTEN_PARTS))
    response = checked(when("context.value.contains(5) && !context.value.isEmpty()"), value=large)
    assert response.permits == {"policy0"}
    response = checked(when("context.value.contains(resource.a) && context.value.contains(5)"), value=large)
    assert "context.value.contains(resource.a)" in print_policy(response.residuals.static["policy0"])


def test_a_value_that_would_make_the_policy_too_deep_is_not_written_out() -> None:
    value = in_records(1, MAX_WRITTEN_LEVELS - 1)
    text = "context.value == resource.a"
    shallow = checked(when("!(" * 20 + text + ")" * 20), value=value)
    assert "{a: 1}" in print_policy(shallow.residuals.static["policy0"])
    deep = checked(deepest("!(", f"({text}) && context.one == resource.b", ")"), value=value, one=1)
    printed = print_policy(deep.residuals.static["policy0"])
    assert "context.value == resource.a && 1 == resource.b" in printed
