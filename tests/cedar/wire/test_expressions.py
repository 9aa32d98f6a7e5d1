"""Expressions in JSON: each form by its text, what only JSON can say, depth, refusals with places, round trips."""

import json
import sys
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_policies import policy_set, when
from rust_json import accepts_policy_set
from strategies.choices import Choices
from strategies.expressions import Expressions

from pdp.cedar.errors import CedarError, JsonError
from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH
from pdp.cedar.nodes import (
    ANY,
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
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
)
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.expressions import read_expression, write_expression
from pdp.cedar.wire.strict_json import located, parse_json

P = {"Var": "principal"}
PRINCIPAL = Variable(Var.PRINCIPAL)
ONE = {"Value": 1}
TRUE = {"Value": True}
UID = {"type": "Ns::User", "id": 'q"\n'}


def value(held: Any) -> Any:
    return {"Value": held}


def pair(operator: str, left: Any = P, right: Any = ONE) -> Any:
    return {operator: {"left": left, "right": right}}


def parse(text: str) -> Expr:
    return parse_expression(Source("expression.cedar", text))


def read_text(text: str) -> Expr:
    source = Source("expression.json", text)
    with located(source):
        return read_expression(parse_json(source))


def in_policy_set(expression: Any) -> str:
    return json.dumps(policy_set({"p": when(expression)}))


WITH_TEXT: dict[str, tuple[Any, str]] = {
    "true": (TRUE, "true"),
    "long": (value(LONG_MIN), str(LONG_MIN)),
    "string": (value('q"\\\n\0\u00fc\U0001f600'), '"q\\"\\\\\\n\\0\u00fc\U0001f600"'),
    "entity": (value({"__entity": UID}), 'Ns::User::"q\\"\\n"'),
    "principal": (P, "principal"),
    "action": ({"Var": "action"}, "action"),
    "resource": ({"Var": "resource"}, "resource"),
    "context": ({"Var": "context"}, "context"),
    "and": (pair("&&"), "principal && 1"),
    "and of three": (pair("&&", pair("&&"), P), "principal && 1 && principal"),
    "and to the right": (pair("&&", P, pair("&&")), "principal && (principal && 1)"),
    "or": (pair("||"), "principal || 1"),
    "or of three": (pair("||", pair("||"), P), "principal || 1 || principal"),
    "or in and": (pair("&&", pair("||"), P), "(principal || 1) && principal"),
    "and in or": (pair("||", pair("&&"), P), "principal && 1 || principal"),
    "attribute": ({".": {"left": P, "attr": "a"}}, "principal.a"),
    "any attribute": ({".": {"left": P, "attr": ' "if\0'}}, 'principal[" \\"if\\0"]'),
    "has": ({"has": {"left": P, "attr": "a"}}, "principal has a"),
    "has any name": ({"has": {"left": P, "attr": ""}}, 'principal has ""'),
    "has a path": ({"has": {"left": P, "attr": ["a", "b", "c"]}}, "principal has a.b.c"),
    "like": (
        {"like": {"left": P, "pattern": [{"Literal": "a"}, {"Literal": "*"}, "Wildcard", {"Literal": "\n"}]}},
        'principal like "a\\**\\n"',
    ),
    "like nothing": ({"like": {"left": P, "pattern": []}}, 'principal like ""'),
    "is": ({"is": {"left": P, "entity_type": "A::B"}}, "principal is A::B"),
    "is in": ({"is": {"left": P, "entity_type": "A", "in": {"Var": "resource"}}}, "principal is A in resource"),
    "if": ({"if-then-else": {"if": TRUE, "then": P, "else": ONE}}, "if true then principal else 1"),
    "set": ({"Set": [P, ONE, ONE]}, "[principal, 1, 1]"),
    "empty set": ({"Set": []}, "[]"),
    "record": ({"Record": {"b": P, "a": ONE, "": ONE}}, '{b: principal, a: 1, "": 1}'),
    "empty record": ({"Record": {}}, "{}"),
    "record like an entity": ({"Record": {"__entity": ONE}}, "{__entity: 1}"),
    "not": ({"!": {"arg": P}}, "!principal"),
    "neg": ({"neg": {"arg": ONE}}, "-(1)"),
    "isEmpty": ({"isEmpty": {"arg": P}}, "principal.isEmpty()"),
    **{op: (pair(op), f"principal {op} 1") for op in ("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*")},
    **{op: (pair(op), f"principal.{op}(1)") for op in ("contains", "containsAll", "containsAny", "getTag", "hasTag")},
    **{
        name: ({name: [P, ONE]}, f"{name}(principal, 1)" if known.style is Style.FUNCTION else f"principal.{name}(1)")
        for name, known in FUNCTIONS.items()
    },
}

ONLY_JSON: dict[str, tuple[Any, Expr]] = {
    "Value of a set": (value([1, "a", [True]]), parse('[1, "a", [true]]')),
    "Value of a record": (value({"a": {"if": 1}, "": []}), parse('{a: {"if": 1}, "": []}')),
    "Value of an extension value": (value({"__extn": {"fn": "ip", "arg": "::1"}}), parse('ip("::1")')),
    "a call fails when it is evaluated": (value({"__extn": {"fn": "ip", "arg": "bad"}}), parse('ip("bad")')),
    "a method is a function": (
        value({"__extn": {"fn": "offset", "args": [{"__extn": {"fn": "datetime", "arg": "2024-01-01"}}, {"a": 1}]}}),
        parse('datetime("2024-01-01").offset({a: 1})'),
    ),
    "of arg and args, arg counts": (
        value({"__extn": {"fn": "ip", "args": [1, 2], "arg": 3, "x": 4}}),
        Call("ip", (Literal(3),)),
    ),
    "no arguments": (value({"__extn": {"fn": "ip", "args": []}}), Call("ip", ())),
    "no receiver": ({"isIpv4": []}, Call("isIpv4", ())),
    "an entity deep inside": (value([{"a": {"__entity": UID}}]), parse('[{a: Ns::User::"q\\"\\n"}]')),
    "further keys of an entity": (value({"__entity": {**UID, "x": 1}}), Literal(EntityUID("Ns::User", 'q"\n'))),
    "half an escape is a record": (value({"__entity": {"type": "User"}}), parse('{__entity: {type: "User"}}')),
    "an escape with company is a record": (
        value({"__extn": {"fn": "ip", "arg": "::1"}, "a": 1}),
        parse('{__extn: {fn: "ip", arg: "::1"}, a: 1}'),
    ),
    "__expr of no string is a record": (value({"__expr": 1}), parse("{__expr: 1}")),
    "nothing to be in": ({"is": {"left": P, "entity_type": "A", "in": None}}, Is(PRINCIPAL, "A")),
    "six signs": (
        {"!": {"arg": {"!": {"arg": {"!": {"arg": {"!": {"arg": {"!": {"arg": {"!": {"arg": P}}}}}}}}}}}},
        parse("!!!(!!!principal)"),
    ),
    "a negated negative": ({"neg": {"arg": value(-1)}}, Unary(UnaryOp.NEGATE, Literal(-1))),
    "a chained comparison": (
        pair("==", pair("==", P, P), P),
        Binary(BinaryOp.EQ, Binary(BinaryOp.EQ, PRINCIPAL, PRINCIPAL), PRINCIPAL),
    ),
    "reserved words": (
        {"has": {"left": {".": {"left": P, "attr": "in"}}, "attr": ["if", "", "a b", "__cedar"]}},
        HasAttr(GetAttr(PRINCIPAL, "in"), ("if", "", "a b", "__cedar")),
    ),
    "has a list of one": ({"has": {"left": P, "attr": ["a"]}}, HasAttr(PRINCIPAL, ("a",))),
    "runs in a pattern": (
        {
            "like": {
                "left": P,
                "pattern": [
                    {"Literal": ""}, {"Literal": "ab"}, {"Literal": "*c"}, "Wildcard", {"Literal": ""}, "Wildcard",
                    {"Literal": "d"},
                ],
            }
        },
        Like(PRINCIPAL, ("ab*c", ANY, "d")),
    ),
    "two literals are one": (pair("&&", TRUE, value(False)), Literal(False)),
    "two literals of or are one": (pair("||", TRUE, value(False)), Literal(True)),
    "leading literals are one": (
        pair("&&", pair("&&", TRUE, TRUE), pair("||", P, TRUE)),
        And((Literal(True), Or((PRINCIPAL, Literal(True))))),
    ),
    "a number is no Bool": (pair("&&", TRUE, ONE), And((Literal(True), Literal(1)))),
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_TEXT)
def test_reads_and_writes_what_text_says(name: str) -> None:
    written, text = WITH_TEXT[name]
    assert read_expression(written) == parse(text)
    assert write_expression(parse(text)) == written


def test_every_operator_and_function_has_a_case() -> None:
    tried = {operator for written, _ in WITH_TEXT.values() for operator in written}
    operators = {op.value for op in (*UnaryOp, *BinaryOp)}
    assert tried == {"Value", "Var", "&&", "||", ".", "has", "like", "is", "if-then-else", "Set", "Record"} | {
        *operators, *FUNCTIONS,
    }  # fmt: skip


@pytest.mark.parametrize("name", ONLY_JSON)
def test_reads_what_only_json_says(name: str) -> None:
    written, expr = ONLY_JSON[name]
    assert read_expression(written) == expr
    assert read_expression(write_expression(expr)) == expr


@pytest.mark.parametrize("name", [*WITH_TEXT, *ONLY_JSON])
def test_the_rust_engine_reads_every_case_and_what_is_written_for_it(name: str) -> None:
    written = WITH_TEXT[name][0] if name in WITH_TEXT else ONLY_JSON[name][0]
    assert accepts_policy_set(in_policy_set(written))
    assert accepts_policy_set(in_policy_set(write_expression(read_expression(written))))


def test_the_order_of_fields_is_kept() -> None:
    expr = read_text('{"Record": {"b": {"Value": 1}, "a": {"Value": 1}}}')
    assert isinstance(expr, RecordLiteral)
    assert [name for name, _ in expr.fields] == ["b", "a"]


REFUSED: dict[str, tuple[str, str, str, str]] = {
    # name: text, message, the place's text, help
    "no object": ("[1]", "an expression must be an object, found an array", "[1]", "write `{..}`"),
    "no key": ("{}", "an expression has one key, found none", "{}", "an expression is an object with one key"),
    "two keys": ('{"Var": "action", "Value": 1}', "one key, found 2", '{"Var": "action", "Value": 1}', "one key"),
    "misspelt operator": ('{"contain": [1]}', 'no operator or function "contain"', "[1]", "did you mean `contains`?"),
    "misspelt function": ('{"isInrange": 1}', 'no operator or function "isInrange"', "1", "did you mean `isInRange`?"),
    "another word": ('{"and": 1}', 'no operator or function "and"', "1", "did you mean `&&`?"),
    "unknown operator": ('{"frobnicate": 1}', 'no operator or function "frobnicate"', "1", "operators are `Value`"),
    "hostile operator": ('{"\\n\\u0007": 1}', '"\\n\\u{7}"', "1", "operators are"),
    "long operator": (f'{{"{"x" * 9999}": 1}}', f'"{"x" * 60}"...', "1", "operators are"),
    "partial evaluation's": ('{"unknown": [{"Value": "x"}]}', '"unknown"', '[{"Value": "x"}]', "operators are"),
    "slot": ('{"Slot": "?principal"}', "a slot cannot stand in a condition", '"?principal"', "in the scope"),
    "variable": ('{"Var": "principle"}', '"principle" is not a variable', '"principle"', "did you mean `principal`?"),
    "no variable": ('{"Var": 1}', "a variable must be a string, found an integer", "1", "double quotes"),
    "null": ('{"Value": [null]}', "`null` is not a Cedar value", "null", "leave out"),
    "fraction": ('{"Value": 1.0}', "`1.0` is not a Long", "1.0", "write an integer"),
    "beyond Long": (f'{{"Value": {LONG_MAX + 1}}}', "is not a Long", str(LONG_MAX + 1), "write an integer"),
    "__expr": ('{"Value": {"a": {"__expr": "1"}}}', "`__expr` is not read", '{"__expr": "1"}', "write the value"),
    "type of an entity": (
        '{"Value": {"__entity": {"type": "if", "id": ""}}}', '"if" is not an entity type', '"if"', "write identifiers",
    ),
    "unknown function": (
        '{"Value": [{"__extn": {"fn": "ipaddr", "arg": ""}}]}', 'no extension function "ipaddr"', '"ipaddr"', "ip",
    ),
    "bad argument": ('{"Value": {"__extn": {"fn": "ip", "args": [null]}}}', "`null` is not", "null", "leave out"),
    "unknown key": ('{"!": {"arg": {"Var": "action"}, "x": 1}}', 'unknown key "x" in `!`', "1", "the keys are `arg`"),
    "misspelt key": ('{"==": {"left": {"Value": 1}, "rihgt": 1}}', '"rihgt" in `==`', "1", "did you mean `right`?"),
    "missing key": ('{"<": {"left": {"Value": 1}}}', "`<` lacks the key `right`", '{"left": {"Value": 1}}', "`left`"),
    "operands in a row": ('{"==": [1, 2]}', "`==` must be an object, found an array", "[1, 2]", "write `{..}`"),
    "deep fault": (
        '{"Set": [{"Value": 1}, {"if-then-else": {"if": {"Value": true}, "then": {"Vr": 0}, "else": {"Value": 1}}}]}',
        'no operator or function "Vr"', "0", "did you mean `Var`?",
    ),
    "attribute": ('{".": {"left": {"Value": 1}, "attr": 7}}', "`attr` must be a string", "7", "double quotes"),
    "has a number": ('{"has": {"left": {"Value": 1}, "attr": 7}}', "found an integer", "7", "`has a.b`"),
    "has nothing": ('{"has": {"left": {"Value": 1}, "attr": []}}', "found an empty one", "[]", "`has a.b`"),
    "has a list of a number": ('{"has": {"left": {"Value": 1}, "attr": ["a", 7]}}', "must be a string", "7", "quotes"),
    "has and more": ('{"has": {"left": {"Value": 1}, "attr": "a", "x": 7}}', 'unknown key "x"', "7", "`left`, `attr`"),
    "pattern": ('{"like": {"left": {"Value": 1}, "pattern": "a*"}}', "must be an array", '"a*"', "write `[..]`"),
    "wildcard": ('{"like": {"left": {"Value": 1}, "pattern": ["*"]}}', "not a part of a pattern", '"*"', "`Wildcard`"),
    "literal": ('{"like": {"left": {"Value": 1}, "pattern": [{"Literal": 7}]}}', "must be a string", "7", "quotes"),
    "part": ('{"like": {"left": {"Value": 1}, "pattern": [{"Wild": 7}]}}', 'unknown key "Wild"', "7", "`Literal`"),
    "type": ('{"is": {"left": {"Value": 1}, "entity_type": "A :: B"}}', "is not an entity type", '"A :: B"', "spa"),
    "set": ('{"Set": {"a": 1}}', "`Set` must be an array, found an object", '{"a": 1}', "write `[..]`"),
    "record": ('{"Record": [1]}', "`Record` must be an object, found an array", "[1]", "write `{..}`"),
    "record twice": ('{"Record": {"a": 1, "a": 2}}', 'duplicate key "a"', '"a"', "keep one"),
    "one argument": ('{"ip": {"Value": ""}}', "arguments of `ip` must be an array", '{"Value": ""}', "write `[..]`"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_place_and_help(name: str) -> None:
    text, message, excerpt, help = REFUSED[name]
    with pytest.raises(JsonError) as caught:
        read_text(text)
    error = caught.value
    assert message in error.message
    assert error.source is not None
    assert error.span is not None
    assert error.source.excerpt(error.span) == excerpt
    assert help in (error.help or "")
    assert "\n" not in error.message
    assert len(error.render()) < 1_000


NOT_REFUSED_BY_RUST = {"partial evaluation's", "unknown function", "has and more"}


@pytest.mark.parametrize("name", REFUSED)
def test_the_rust_engine_refuses_it_too(name: str) -> None:
    text = in_policy_set("BODY").replace('"BODY"', REFUSED[name][0])
    assert accepts_policy_set(text) == (name in NOT_REFUSED_BY_RUST)


def nested(levels: int) -> Any:
    """An expression of so many levels of JSON, an odd number."""
    expr: Any = P
    for _ in range(levels // 2):
        expr = {"!": {"arg": expr}}
    return expr


def test_a_document_has_fewer_levels_than_the_limit() -> None:
    deepest = nested(MAX_JSON_DEPTH - 1)
    assert write_expression(read_expression(deepest)) == deepest
    assert read_text(json.dumps(deepest)) == read_expression(deepest)
    for too_deep in (nested(MAX_JSON_DEPTH + 1), nested(10_001)):
        with pytest.raises(JsonError, match="nested too deeply"):
            read_expression(too_deep)
    with pytest.raises(JsonError, match="nested too deeply"):
        write_expression(Unary(UnaryOp.NOT, read_expression(deepest)))


DEEPENINGS: dict[str, Any] = {
    "a variable": P,
    "an entity": value({"__entity": UID}),
    "an empty set": {"Set": []},
    "an empty record": {"Record": {}},
    "a call": {"ip": []},
    "a path": {"has": {"left": P, "attr": ["a", "b"]}},
    "a pattern": {"like": {"left": P, "pattern": [{"Literal": "a"}]}},
    "values in values": value([[[]]]),
    "records in values": value({"a": {"a": {"a": {}}}}),
    "calls in values": value({"__extn": {"fn": "ip", "arg": {"__extn": {"fn": "ip", "arg": "x"}}}}),
    "entities in values": value([[{"__entity": UID}]]),
}


@pytest.mark.parametrize("name", DEEPENINGS)
def test_what_is_read_can_be_written(name: str) -> None:
    inner, read = DEEPENINGS[name], 0
    for levels in range(MAX_JSON_DEPTH - 15, MAX_JSON_DEPTH + 2, 2):
        whole = inner
        for _ in range(levels // 2):
            whole = {"!": {"arg": whole}}
        try:
            expr = read_expression(whole)
        except JsonError:
            continue
        read += 1
        assert read_text(json.dumps(write_expression(expr))) == expr
    assert 0 < read < 9


def test_values_nest_as_deep_as_what_is_written_for_them() -> None:
    held: Any = []
    for _ in range(MAX_JSON_DEPTH // 2 - 2):
        held = [held]
    assert read_text(json.dumps(write_expression(read_expression(value(held))))) == read_expression(value(held))
    with pytest.raises(JsonError, match="nested too deeply"):
        read_expression(value([held]))


@pytest.mark.parametrize("operator", ["&&", "||"])
def test_long_chains_are_flat_and_end_where_json_does(operator: str) -> None:
    names = [f"a{index}" for index in range(MAX_JSON_DEPTH // 2 - 1)]
    chain = parse(f" {operator} ".join(f"principal.{name}" for name in names))
    written = write_expression(chain)
    assert read_text(json.dumps(written)) == chain
    assert isinstance(chain, And | Or)
    assert len(chain.operands) == len(names)
    for count in (1, 2, 100_000):
        longer = type(chain)((*chain.operands, *[PRINCIPAL] * count))
        with pytest.raises(JsonError, match="nested too deeply for JSON") as caught:
            write_expression(longer)
        assert "`when` clause of its own" in (caught.value.help or "")


def test_the_rust_engine_reads_chains_exactly_as_long_as_are_written() -> None:
    def written(count: int) -> str:
        return in_policy_set(write_expression(And(tuple([PRINCIPAL] * count))))

    assert accepts_policy_set(written(61))
    assert not accepts_policy_set(written(62))


def test_deep_json_is_read_with_little_stack() -> None:
    text = json.dumps(nested(MAX_JSON_DEPTH - 1))
    frames = _frames_for(lambda: write_expression(read_text(text)))
    assert frames < 300


def _frames_for(call: Any) -> int:
    """How much stack a call takes: the least recursion limit under which it succeeds, less what is there already."""
    needed: list[int] = []

    def search() -> None:
        usual = sys.getrecursionlimit()
        for limit in range(60, 1_000, 20):
            sys.setrecursionlimit(limit)
            try:
                call()
            except (RecursionError, CedarError):
                continue
            finally:
                sys.setrecursionlimit(usual)
            needed.append(limit)
            return

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    return needed[0]


UNWRITABLE: dict[str, tuple[Expr, str]] = {
    "function": (Call("nope", ()), 'no extension function "nope"'),
    "an operator as a function": (Call("Value", (Literal(1),)), 'no extension function "Value"'),
    "type": (Is(PRINCIPAL, "A :: B"), '"A :: B" is not an entity type'),
    "type of an entity": (Literal(EntityUID("if", "")), '"if" is not an entity type'),
    "id of an entity": (Literal(EntityUID("User", "\ud800")), "U+D800 is half"),
    "string": (SetLiteral((Literal("a\udfff"),)), "U+DFFF is half"),
    "attribute": (GetAttr(PRINCIPAL, "\ud800"), "U+D800 is half"),
    "path": (HasAttr(PRINCIPAL, ("a", "\ud800")), "U+D800 is half"),
    "field": (RecordLiteral((("\ud800", PRINCIPAL),)), "U+D800 is half"),
    "pattern": (Like(PRINCIPAL, ("\ud800",)), "U+D800 is half"),
    "long": (Literal(LONG_MAX + 1), "the number is not a Long"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_would_not_be_read_is_not_written(name: str) -> None:
    expr, message = UNWRITABLE[name]
    with pytest.raises(JsonError) as caught:
        write_expression(expr)
    assert message in caught.value.message


@settings(max_examples=400)
@given(st.binary(min_size=120, max_size=120))
def test_json_keeps_whatever_text_says(entropy: bytes) -> None:
    choices = Choices(entropy)
    made = Expressions(choices).condition(choices.pick((1, 2, 3, 4, 5)))
    expr = parse(print_expression(made))
    written = json.dumps(write_expression(expr))
    assert read_text(written) == expr
    # What the generator makes beyond text, such as a chain of Bool literals, settles once it is read.
    settled = read_expression(write_expression(made))
    assert read_expression(write_expression(settled)) == settled


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["Wildcard", "ip"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*(key for written, _ in WITH_TEXT.values() for key in written), "__entity", "__extn"]),
            inner,
            min_size=1,
            max_size=1,
        )
        | st.fixed_dictionaries({"left": inner, "right": inner})
        | st.fixed_dictionaries({"left": inner, "attr": inner})
        | st.fixed_dictionaries({"arg": inner})
    ),
    max_leaves=12,
)


@settings(max_examples=600)
@given(JSONS)
def test_any_json_gives_an_expression_or_a_refusal(document: Any) -> None:
    try:
        expr = read_expression(document)
    except JsonError:
        return
    assert read_expression(write_expression(expr)) == expr
