"""The oracle against the rules of the language, one named table for each group of operators.

`value` rows state what an expression gives; `error` rows state the kind of error. The differential tests of the
compiler cover the combinations; these rows say what is right in words that can be checked against the specification.
"""

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import EntityUID, Record, Set, Value, equal
from pdp.evaluate.interpreter import evaluate

ALICE, TEAM, ORG, READ, DOC = (
    EntityUID("User", "alice"),
    EntityUID("Team", "t"),
    EntityUID("Org", "o"),
    EntityUID("Action", "read"),
    EntityUID("NS::Doc", "d"),
)
STORE = Entities(
    [
        Entity(ALICE, {"n": 1, "manager": ALICE, "": "empty", 'q"\n': True}, frozenset((TEAM,)), {"n": 2}),
        Entity(TEAM, parents=frozenset((ORG,))),
    ]
)
ASK = Request(ALICE, READ, DOC, Record({"s": "text", "one": 1, "yes": True, "set": Set([1, True, "1"])}))


def run(text: str) -> Value:
    return evaluate(parse_expression(Source("case", text)), ASK, STORE)


TRUE = [
    # laziness
    "false && 1 || true",
    "true || 1",
    "!(false && context.missing)",
    "if true then true else context.missing",
    'if false then context.missing else "a" == "a"',
    # equality is typed and structural
    "true != 1",
    '"1" != 1',
    'decimal("1.0") == decimal("1.0000")',
    'decimal("1.0") != 1',
    "[1, 2, 2] == [2, 1]",
    "[[1], [true]] != [[1], [1]]",
    '{a: 1, "b": [true]} == {b: [true], a: 1}',
    "{a: 1} != {a: true}",
    'User::"alice" == principal',
    'User::"alice" != "User::\\"alice\\""',
    'ip("10.0.0.1") == ip("10.0.0.1/32")',
    'ip("10.0.0.1/24") != ip("10.0.0.2/24")',
    # order and arithmetic
    "1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3",
    "1 + 2 * 3 - 4 == 3",
    "-9223372036854775808 < 0",
    'duration("-1500ms").toSeconds() == -1',
    'datetime("2024-01-01") < datetime("2024-01-01T00:00:00.001Z")',
    'datetime("2024-01-01T00:00:00+0100") == datetime("2023-12-31T23:00:00Z")',
    # hierarchy
    'principal in Team::"t" && principal in Org::"o"',
    'principal in [User::"x", Org::"o"]',
    "!(principal in [])",
    'User::"ghost" in User::"ghost"',
    '!(User::"ghost" in Org::"o")',
    "principal is User && resource is NS::Doc && !(resource is Doc)",
    'principal is User in Org::"o"',
    "!(principal is NS::User in 1)",
    # attributes and tags
    'principal.n == 1 && principal.getTag("n") == 2',
    'principal has n && !(principal has missing) && !(User::"ghost" has n)',
    "principal has manager.manager.n && !(principal has missing.n)",
    'principal[""] == "empty" && principal["q\\"\\n"]',
    'principal.hasTag("n") && !principal.hasTag("m") && !User::"ghost".hasTag("n")',
    # strings
    '"a*b" like "a\\*b" && !("axb" like "a\\*b") && "a\\nb" like "a*b" && "" like "*"',
    # sets
    "[1, true].contains(true) && ![1].contains(true)",
    "[].containsAll([]) && ![].containsAny([]) && [].isEmpty() && [1,2].containsAll([2]) && [1].containsAny([2,1])",
    'context.set.contains(1) && context.set.contains(true) && context.set.contains("1")',
    # extensions
    'ip("127.0.0.1").isLoopback() && ip("10.1.2.3").isInRange(ip("10.0.0.0/8")) && ip("::1").isIpv6()',
    '!ip("10.0.0.0/8").isInRange(ip("::/0"))',
    'decimal("-0.5").lessThan(decimal("0.0"))',
    'datetime("1969-12-31T23:00:00Z").toTime() == duration("23h")',
    'datetime("2024-02-29").offset(duration("1d")) == datetime("2024-03-01")',
]

ERRORS = [
    ("1 && true", ErrorKind.TYPE),
    ("true && 1", ErrorKind.TYPE),
    ("false || 1", ErrorKind.TYPE),
    ("if 1 then true else true", ErrorKind.TYPE),
    ("!1", ErrorKind.TYPE),
    ("-(true)", ErrorKind.TYPE),
    ('"a" + "b"', ErrorKind.TYPE),
    ("true < false", ErrorKind.TYPE),
    ('decimal("1.0") < decimal("2.0")', ErrorKind.TYPE),
    ("9223372036854775807 + 1", ErrorKind.OVERFLOW),
    ("9223372036854775807 + 1 - 1", ErrorKind.OVERFLOW),
    ("-9223372036854775807 - 2", ErrorKind.OVERFLOW),
    ("1 in []", ErrorKind.TYPE),
    ("principal in 1", ErrorKind.TYPE),
    ("principal in [principal, 1]", ErrorKind.TYPE),
    ("1 is User", ErrorKind.TYPE),
    ("principal is User in 1", ErrorKind.TYPE),
    ("1 has a", ErrorKind.TYPE),
    ("principal has n.m", ErrorKind.TYPE),
    ("principal.missing", ErrorKind.ATTRIBUTE_MISSING),
    ("context.missing", ErrorKind.ATTRIBUTE_MISSING),
    ('User::"ghost".n', ErrorKind.ENTITY_MISSING),
    ('User::"ghost".getTag("n")', ErrorKind.ENTITY_MISSING),
    ('principal.getTag("m")', ErrorKind.TAG_MISSING),
    ("principal.getTag(1)", ErrorKind.TYPE),
    ('1 like "a"', ErrorKind.TYPE),
    ("1.contains(1)", ErrorKind.TYPE),
    ("[1].containsAll(1)", ErrorKind.TYPE),
    ("1.isEmpty()", ErrorKind.TYPE),
    ("[1, context.missing].isEmpty()", ErrorKind.ATTRIBUTE_MISSING),
    ("{a: context.missing} == 1", ErrorKind.ATTRIBUTE_MISSING),
    ("[context.missing, 1.foo] == 1", ErrorKind.ATTRIBUTE_MISSING),
    # a record's fields are evaluated in the order of their names
    ("{a: context.missing, b: 1.foo} == 1", ErrorKind.ATTRIBUTE_MISSING),
    ("{b: context.missing, a: 1.foo} == 1", ErrorKind.TYPE),
    ("{b: context.missing, B: 1.foo} == 1", ErrorKind.TYPE),
    ('decimal("1")', ErrorKind.EXTENSION),
    ('ip("1.2.3")', ErrorKind.EXTENSION),
    ('datetime("2023-02-29")', ErrorKind.EXTENSION),
    ('duration("1h1d")', ErrorKind.EXTENSION),
    ("decimal(1)", ErrorKind.TYPE),
    ('ip("::1").isInRange(1)', ErrorKind.TYPE),
]


@pytest.mark.parametrize("text", TRUE)
def test_value(text: str) -> None:
    assert run(text) is True


@pytest.mark.parametrize(("text", "kind"), ERRORS)
def test_error(text: str, kind: ErrorKind) -> None:
    with pytest.raises(EvaluationError) as caught:
        run(text)
    assert caught.value.kind is kind


def test_literals_and_variables() -> None:
    assert equal(run("[1, {a: principal}]"), Set([1, Record({"a": ALICE})]))
    assert run("principal") == ALICE
    assert run("action") == READ
    assert run("resource") == DOC
    assert equal(run("context"), ASK.context)
