"""Tokens to expressions: precedence, association, limits, places. The Rust engine reads every text the same way."""

from pathlib import Path
from typing import Final

import pytest
from rust_policies import accepts_policies, expression_json, read_expression

from pdp.cedar.errors import ParseError
from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_EXPRESSION_DEPTH
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
    Literal,
    Or,
    RecordLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.source import Source
from pdp.cedar.text.depth import children, too_deep
from pdp.cedar.text.expressions import parse_expression

P, A, R, C = (Variable(var) for var in (Var.PRINCIPAL, Var.ACTION, Var.RESOURCE, Var.CONTEXT))


def parse(text: str) -> Expr:
    return parse_expression(Source("test", text))


SAME: Final = {
    # precedence, from the loosest to the tightest
    "principal || action && resource": "principal || (action && resource)",
    "principal && action || resource": "(principal && action) || resource",
    "principal && action == resource": "principal && (action == resource)",
    "principal == action + resource": "principal == (action + resource)",
    "principal + action * resource": "principal + (action * resource)",
    "principal * action + resource": "(principal * action) + resource",
    "principal * -action": "principal * (-action)",
    "!principal == action": "(!principal) == action",
    "!principal.a": "!(principal.a)",
    "-principal.a * action": "(-(principal.a)) * action",
    "!principal has a": "(!principal) has a",
    "!principal in action": "(!principal) in action",
    '!principal like "a"': '(!principal) like "a"',
    "!principal is A": "(!principal) is A",
    "principal + action has a": "(principal + action) has a",
    "principal + action in resource + context": "(principal + action) in (resource + context)",
    "principal is A in action + resource": "principal is A in (action + resource)",
    "principal has a && principal.a": "(principal has a) && (principal.a)",
    "principal has a.b.c || action": "(principal has a.b.c) || action",
    "if principal then action else resource || context": "if principal then action else (resource || context)",
    "if principal || action then 1 else 2": "if (principal || action) then 1 else 2",
    "if principal then if action then 1 else 2 else 3": "if principal then (if action then 1 else 2) else 3",
    "if principal then 1 else if action then 2 else 3": "if principal then 1 else (if action then 2 else 3)",
    # association
    "1 - 2 - 3": "(1 - 2) - 3",
    "1 - 2 + 3": "(1 - 2) + 3",
    "1 * 2 * 3": "(1 * 2) * 3",
    "principal && action && resource": "(principal && action) && resource",
    "principal || action || resource": "(principal || action) || resource",
    "principal.a.b.contains(1).c": "(((principal.a).b).contains(1)).c",
    # other forms of the same
    'principal["a"]': "principal.a",
    'principal["a"]["b c"].d': '((principal["a"])["b c"])["d"]',
    'principal has "a"': "principal has a",
    '{"a": 1, b: 2}': '{a: 1, "b": 2}',
    "[1, 2,]": "[1, 2]",
    "{a: 1,}": "{a: 1}",
    "principal.contains(1,)": "principal.contains(1)",
    'ip("1.1.1.1",)': 'ip("1.1.1.1")',
    "((principal))": "principal",
    "! ! principal": "!!principal",
    "!(!principal)": "!!principal",
    "- - principal": "--principal",
    "- 5": "-5",
    "-\n//c\n5": "-5",
    "(-5)": "-5",
    "007": "7",
    "-0": "0",
    "1-1": "1 - 1",
    "1 - -1": "1 - (-1)",
    'User::"a"': 'User :: //c\n "a"',
    'A::B::"a"': 'A :: B\n::"a"',
    "principal is A::B": "principal is A :: B",
    'principal . a [ "b" ] . contains ( 1 )': 'principal.a["b"].contains(1)',
    "true && true": "true",
    "true && false && principal": "false && principal",
    "false || true || principal": "true || principal",
    "(true && true) && principal": "true && principal",
    "true && (true && true)": "true",
    "true && !false": "(true) && (!false)",
}


@pytest.mark.parametrize("text", SAME)
def test_the_same_expression(text: str) -> None:
    assert parse(text) == parse(SAME[text])
    assert read_expression(text) == read_expression(SAME[text]) == expression_json(parse(text))


DIFFERENT: Final = [
    ("principal && (action && resource)", "principal && action && resource"),
    ("principal || (action || resource)", "principal || action || resource"),
    ("1 - (2 - 3)", "1 - 2 - 3"),
    ("-(5)", "-5"),
    ("--5", "5"),
    ("principal is A in action", "(principal is A) in action"),
    ("principal has a.b", "(principal has a) && (principal has b)"),
    ("principal.a", "principal has a"),
    ("true", "1 == 1"),
    ("principal && true && true", "principal && true"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_another_expression(first: str, second: str) -> None:
    assert parse(first) != parse(second)
    assert read_expression(first) != read_expression(second)
    for text in (first, second):
        assert read_expression(text) == expression_json(parse(text))


def test_every_kind_of_node() -> None:
    assert parse("principal && action && resource && context") == And((P, A, R, C))
    assert parse("principal || action || resource") == Or((P, A, R))
    assert parse("if principal then action else resource") == If(P, A, R)
    assert parse("--principal") == Unary(UnaryOp.NEGATE, Unary(UnaryOp.NEGATE, P))
    assert parse("principal.isEmpty()") == Unary(UnaryOp.IS_EMPTY, P)
    assert parse("principal has a.b") == HasAttr(P, ("a", "b"))
    assert parse('principal has "a.b"') == HasAttr(P, ("a.b",))
    assert parse("principal is A::B in action") == Is(P, "A::B", A)
    for op in BinaryOp:
        infix = not op.value.isalpha() or op is BinaryOp.IN
        assert parse(f"principal {op.value} action" if infix else f"principal.{op.value}(action)") == Binary(op, P, A)
    for function in FUNCTIONS.values():
        method = function.style is Style.METHOD
        text = f"principal.{function.name}(action, 1)" if method else f"{function.name}(principal, action, 1)"
        assert parse(text) == Call(function.name, (P, A, Literal(1)))
        assert read_expression(text) == expression_json(parse(text))


WORDS: Final = ("permit", "when", "principal", "context", "contains", "ip", "isEmpty", "Set", "__cedar2", "_")
NAMING: Final = ('W::"x"', "principal.W", "principal has W.W", "{W: 1}", "principal is W::W")


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_is_not_reserved_names_anything(word: str) -> None:
    for text in NAMING:
        named = text.replace("W", word)
        assert read_expression(named) == expression_json(parse(named))


@pytest.mark.parametrize("word", ["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"])
def test_a_reserved_word_names_nothing_without_quotes(word: str) -> None:
    for text in (*NAMING, 'A::W::"x"', "principal has a.W", "principal is T::W", "principal.W(1)", "W(1)"):
        refused(text.replace("W", word))
    for text in ('principal["W"]', 'principal has "W"', '{"W": 1}'):
        named = text.replace("W", word)
        assert read_expression(named) == expression_json(parse(named))


def refused(text: str) -> ParseError:
    assert not accepts_policies(f"permit(principal, action, resource) when {{ {text} }};"), text
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert caught.value.position is not None
    return caught.value


REFUSED: Final = [
    line
    for line in Path(__file__).with_name("refused_expressions.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("text", ["", "1" * 100, "true // c\n true", *REFUSED])
def test_what_is_no_expression(text: str) -> None:
    refused(text)


def test_partial_evaluations_unknown_is_refused() -> None:
    """The Rust engine still reads `unknown("x")`, of an older partial evaluation; a policy has no use for it."""
    assert accepts_policies('permit(principal, action, resource) when { unknown("x") };')
    with pytest.raises(ParseError, match="`unknown` is not a function"):
        parse('unknown("x")')


INTEGERS: Final = {
    "0": 0,
    "9223372036854775807": LONG_MAX,
    "-9223372036854775808": LONG_MIN,
    "0" * 5000 + "1": 1,
    "-" + "0" * 5000 + "1": -1,
}


@pytest.mark.parametrize("text", INTEGERS, ids=lambda text: text[-20:])
def test_the_range_of_integers(text: str) -> None:
    assert parse(text) == Literal(INTEGERS[text])
    assert parse(f"{text} - 1") == Binary(BinaryOp.SUB, Literal(INTEGERS[text]), Literal(1))


def test_a_huge_integer_is_refused_and_not_converted() -> None:
    # `int` of so many digits raises a ValueError of its own.
    for text in ("9" * 100_000, "-" + "9" * 100_000, "1" + "0" * 100_000):
        with pytest.raises(ParseError, match="this integer is out of range"):
            parse(text)


def test_a_sign_belongs_to_the_digits_only_if_nothing_follows_them() -> None:
    assert parse("-5.a") == Unary(UnaryOp.NEGATE, GetAttr(Literal(5), "a"))
    assert parse("--5") == Unary(UnaryOp.NEGATE, Literal(-5))
    assert parse("----5") == Unary(UnaryOp.NEGATE, Unary(UnaryOp.NEGATE, Unary(UnaryOp.NEGATE, Literal(-5))))
    for text in ("-5.a", '-5["a"]', "-5.contains(1)", "--5.a", "--5", "----5", "-5 * 2", "-5 - 5", "- 5 . a"):
        assert read_expression(text) == expression_json(parse(text))


def spans(text: str) -> dict[str, str]:
    """The class of each node and the text that its span covers, outermost first."""
    source = Source("test", text)
    pending, found = [parse_expression(source)], {}
    while pending:
        node = pending.pop(0)
        assert node.span is not None
        found[source.excerpt(node.span)] = type(node).__name__
        pending += children(node)
    return found


def test_every_node_knows_its_place() -> None:
    text = (
        ' if !(principal.a  ==1) then ip( "x" ).isIpv4()'
        ' else [ {a: -2 }, A::"b", principal is B in action ] has c.d || true '
    )
    assert spans(text) == {
        text.strip(): "If",
        '!(principal.a  ==1)': "Unary",
        'ip( "x" ).isIpv4()': "Call",
        '[ {a: -2 }, A::"b", principal is B in action ] has c.d || true': "Or",
        "principal.a  ==1": "Binary",
        'ip( "x" )': "Call",
        '[ {a: -2 }, A::"b", principal is B in action ] has c.d': "HasAttr",
        "true": "Literal",
        "principal.a": "GetAttr",
        "1": "Literal",
        '"x"': "Literal",
        '[ {a: -2 }, A::"b", principal is B in action ]': "SetLiteral",
        "{a: -2 }": "RecordLiteral",
        'A::"b"': "Literal",
        "principal is B in action": "Is",
        "principal": "Variable",
        "action": "Variable",
        "-2": "Literal",
    }  # fmt: skip


def test_a_chain_of_operators_has_the_place_of_all_its_operands() -> None:
    assert next(iter(spans("principal && action && resource"))) == "principal && action && resource"
    assert "1 - 2" in spans("1 - 2 - 3")
    assert "true && false" in spans("principal == (true && false)")


NESTINGS: Final = {
    "parentheses": ("(", "1", ")"),
    "sets": ("[", "1", "]"),
    "records": ("{a: ", "1", "}"),
    "calls": ("ip(", "1", ")"),
    "methods": ("principal.contains(", "1", ")"),
    "if": ("if true then ", "1", " else 2"),
    "else": ("if true then 1 else ", "2", ""),
    "condition": ("if ", "true", " then 1 else 2"),
    "comparison": ("(1 == ", "1", ")"),
    "not": ("!(", "true", ")"),
    "and": ("principal && (", "principal", ")"),
    "like": ("((", '"a"', ') like "a")'),
}


@pytest.mark.parametrize("name", NESTINGS)
def test_nesting_is_bounded(name: str) -> None:
    before, inner, after = NESTINGS[name]
    for depth in (MAX_EXPRESSION_DEPTH, 10_000):
        with pytest.raises(ParseError, match=f"this is nested more than {MAX_EXPRESSION_DEPTH} levels deep"):
            parse(before * depth + inner + after * depth)
    depth = 60
    text = before * depth + inner + after * depth
    assert read_expression(text) == expression_json(parse(text))


@pytest.mark.parametrize("step", [".a", '["a"]', ".isEmpty()", ".contains(1)", " + 1", " * 1"])
def test_a_chain_that_nests_to_the_left_is_bounded_too(step: str) -> None:
    assert too_deep(parse("principal" + step * (MAX_EXPRESSION_DEPTH - 1))) is None
    for times in (MAX_EXPRESSION_DEPTH, 20_000):
        with pytest.raises(ParseError, match=f"this is nested more than {MAX_EXPRESSION_DEPTH} levels deep"):
            parse("principal" + step * times)


@pytest.mark.parametrize(("operator", "node"), [("&&", And), ("||", Or)])
def test_a_chain_of_and_or_of_or_is_one_level(operator: str, node: type[And] | type[Or]) -> None:
    chain = parse(f" {operator} ".join(["principal.a"] * 100_000))
    assert isinstance(chain, node)
    assert len(chain.operands) == 100_000


def test_a_set_of_any_size_is_one_level() -> None:
    assert parse(f"[{'1,' * 100_000}]") == parse(f"[{', '.join(['1'] * 100_000)}]")
    assert parse(f"ip({'1,' * 10_000})") == Call("ip", (Literal(1),) * 10_000)
    fields = tuple((f"a{number}", Literal(1)) for number in range(10_000))
    assert parse("{" + ", ".join(f"{name}: 1" for name, _ in fields) + "}") == RecordLiteral(fields)


def test_a_reader_deep_in_the_stack_reads_the_same() -> None:
    text = "[" * (MAX_EXPRESSION_DEPTH - 1) + "]" * (MAX_EXPRESSION_DEPTH - 1)

    def descend(frames: int) -> Expr:
        return parse(text) if frames == 0 else descend(frames - 1)

    assert descend(800) == parse(text)
