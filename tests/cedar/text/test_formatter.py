"""Formatted policies: the reference's own examples, its rules one by one, and what a formatter must never do."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from fuzzing import damaged, rounds
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared_data

from pdp.cedar.errors import CedarError, FormatError, ParseError
from pdp.cedar.limits import MAX_EXPRESSION_DEPTH, MAX_FORMAT_INDENT
from pdp.cedar.source import Source, Span
from pdp.cedar.text import formatter
from pdp.cedar.text.comments import comments
from pdp.cedar.text.formatter import format_policies
from pdp.cedar.text.lexer import tokenize
from pdp.cedar.text.policies import parse_policies

ANY: Final = "permit (principal, action, resource)"


def comments_of(text: str) -> list[str]:
    """All comments of a text, in order."""
    found: list[str] = []
    end = 0
    for token in tokenize(Source("test", text), len(text)):
        found += comments(text[end : token.start])
        end = token.end
    return found


def formatted(text: str, width: int = 80, indent: int = 2) -> str:
    """The formatted text, seen to keep the promises: same policies, same comments, nothing left to do."""
    result = format_policies(text, width, indent)
    assert parse_policies(Source("test", result)) == parse_policies(Source("test", text))
    assert comments_of(result) == comments_of(text)
    assert format_policies(result, width, indent) == result
    return result


def examples() -> Iterator[Path]:
    yield from sorted(shared_data("cedar/formatter").rglob("*.input.cedar"))


def test_the_references_examples() -> None:
    names = []
    for path in examples():
        expected = path.with_name(path.name.replace(".input.", ".expected.")).read_bytes().decode()
        assert formatted(path.read_bytes().decode()) == expected, path.name
        names.append(path.name)
    assert len(names) == 51


SCOPES: Final = {
    "nothing constrained": ("permit(principal,action,resource);", f"{ANY};"),
    "one constrained": (
        'permit(principal,action==Action::"a",resource);',
        'permit (\n  principal,\n  action == Action::"a",\n  resource\n);',
    ),
    "a type": (
        "forbid(principal is A :: B,action,resource);",
        "forbid (\n  principal is A::B,\n  action,\n  resource\n);",
    ),
    "a type and an ancestor": (
        "permit(principal is A in ?principal,action,resource);",
        "permit (\n  principal is A in ?principal,\n  action,\n  resource\n);",
    ),
    "a list": (
        'permit(principal,action in[Action::"a",Action::"b",],resource);',
        'permit (\n  principal,\n  action in [Action::"a", Action::"b"],\n  resource\n);',
    ),
    "an empty list": (
        "permit(principal,action in [ ],resource);",
        "permit (\n  principal,\n  action in [],\n  resource\n);",
    ),
    "parentheses": (
        'permit(principal==( (U::"a") ),action,resource,);',
        'permit (\n  principal == ((U::"a")),\n  action,\n  resource\n);',
    ),
    "annotations": ('@a @b("x") @ c ( "y" ) permit(principal,action,resource);', f'@a\n@b("x")\n@c("y")\n{ANY};'),
    "several policies": (
        "permit(principal,action,resource);\n\n\n\nforbid(principal,action,resource);permit(principal,action,resource);",
        f"{ANY};\n\nforbid (principal, action, resource);\n\n{ANY};",
    ),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scopes_and_annotations(name: str) -> None:
    text, expected = SCOPES[name]
    assert formatted(text) == f"{expected}\n"


@pytest.mark.parametrize(
    ("body", "width", "expected"),
    [
        ("1==2", 80, "when { 1 == 2 }"),
        ("1==2", 11, "when\n{ 1 == 2 }"),
        ("1==2", 10, "when\n{\n  1 == 2\n}"),
        ("007 == -0", 80, "when { 7 == -0 }"),
        ("! ! true", 80, "when { !!true }"),
        ("- - 1 == 2-1", 80, "when { --1 == 2 - 1 }"),
        ("(true)&&((false))", 80, "when { (true) && ((false)) }"),
        ('context . a [ "b c" ] . d', 80, 'when { context.a["b c"].d }'),
        ("context.a.contains( 1, )", 80, "when { context.a.contains(1) }"),
        ("ip ( )==1", 80, "when { ip() == 1 }"),
        ("[ ]==[1,2,]", 80, "when { [] == [1, 2] }"),
        ('{ } == {a:1,"b":2,}', 80, 'when { {} == { a: 1, "b": 2 } }'),
        ("if true then 1 else 2", 80, "when { if true then 1 else 2 }"),
        ("if true then 1 else 2", 20, "when\n{\n  if\n    true\n  then\n    1\n  else\n    2\n}"),
        ("context has a.b", 80, "when { context has a.b }"),
        ('context has "a"', 12, 'when\n{\n  context\n  has\n  "a"\n}'),
        ('context.a like "b*"', 80, 'when { context.a like "b*" }'),
        ('principal is A::B in C::"d"', 80, 'when { principal is A::B in C::"d" }'),
        ('principal is A::B in C::"d"', 20, 'when\n{\n  principal is A::B\n  in C::"d"\n}'),
        ("1+2*3-4 in 5", 80, "when { 1 + 2 * 3 - 4 in 5 }"),
        ("true&&false||true", 18, "when\n{\n  true &&\n  false ||\n  true\n}"),
        ("(true&&false)", 12, "when\n{\n  (true &&\n   false)\n}"),
        ("context.a.b.c", 14, "when\n{\n  context.a\n    .b\n    .c\n}"),
        ('"a\n\n \nb" == 1', 80, 'when { "a\n\n \nb" == 1 }'),
    ],
)
def test_conditions(body: str, width: int, expected: str) -> None:
    text = f"permit(principal,action,resource)when{{{body}}};"
    assert formatted(text, width).split("\n", 1 if width > 36 else 2)[-1] == f"{expected};\n"


def test_width_and_indent() -> None:
    text = f'{ANY} when {{ {{a: context.first, b: [context.second, "third"]}} == 1 }} unless {{ false }};'
    condition = '{ { a: context.first, b: [context.second, "third"] } == 1 }'
    one_line = f"{ANY}\nwhen {condition}\nunless {{ false }};\n"
    two_lines = f"{ANY}\nwhen\n{condition}\nunless {{ false }};\n"
    four_lines = f"{ANY}\nwhen\n{{\n  {condition[2:-2]}\n}}\nunless {{ false }};\n"
    assert formatted(text) == one_line
    assert formatted(text, len(condition) + 5) == one_line
    assert formatted(text, len(condition) + 4) == two_lines
    assert formatted(text, len(condition)) == two_lines
    assert formatted(text, len(condition) - 1) == four_lines
    assert formatted(text, 40, 4) == (
        f'{ANY}\nwhen\n{{\n    {{\n        a: context.first,\n        b: [context.second, "third"]\n'
        "    } == 1\n}\nunless { false };\n"
    )
    assert formatted(text, 0, 0) == formatted(text, -1, 0)
    assert formatted(text, sys.maxsize, MAX_FORMAT_INDENT) == one_line


COMMENTS: Final = {
    "before, behind and after all": (
        "// a\n\n// b\npermit(principal,action,resource); // c\n// d\n\n\n// e",
        f"// a\n// b\n{ANY}; // c\n// d\n// e\n",
    ),
    "alone": ("// a\n\n//b  ", "\n// a\n//b\n"),
    "nothing": (" \n", "\n"),
    "at each token of a scope": (
        "permit // a\n( // b\nprincipal // c\n, // d\naction // e\n, // f\nresource // g\n) // h\n; // i",
        "permit // a\n( // b\nprincipal // c\n  , // d\n  action // e\n  , // f\n  resource // g\n) // h\n; // i\n",
    ),
    "before an operator": (
        f"{ANY} when {{ context.a // a\n// b\n&& context.b }};",
        f"{ANY}\nwhen\n{{\n  context.a // a\n  // b\n  &&\n  context.b\n}};\n",
    ),
    "behind a last comma": (
        f"{ANY} when {{ [1, // one\n2, // two\n// three\n] == [] }};",
        f"{ANY}\nwhen\n{{\n  [1, // one\n   2 // two\n  // three\n  ] == []\n}};\n",
    ),
    "behind the last comma of a scope": (
        "permit(principal, action, resource, // a\n);",
        "permit (principal, action, resource // a\n);\n",
    ),
    "below a string": (
        f'{ANY} when {{ "a"\n// b\n== context.c }};',
        f'{ANY}\nwhen\n{{\n  "a" \n  // b\n  == context.c\n}};\n',
    ),
    "in a line that a carriage return ends": (
        "permit // a\r// b\r(principal, action, resource);// c\r// d",
        "permit // a\n// b\n(principal, action, resource); // c\n// d\n",
    ),
    "line ends of two characters": (
        f"// a\r\n{ANY} // b\r\n;\r\n// c\r\n",
        f"// a\n{ANY} // b\n;\n// c\n",
    ),
    "quotes and slashes in comments": (
        f'// "\n{ANY} // \' " // b\nwhen {{ "// c" == "" }};',
        f'// "\n{ANY} // \' " // b\nwhen {{ "// c" == "" }};\n',
    ),
}


@pytest.mark.parametrize("name", COMMENTS)
def test_comments(name: str) -> None:
    text, expected = COMMENTS[name]
    assert formatted(text) == expected


@given(st.integers(0, 100), st.integers(0, 8))
def test_a_comment_at_every_token(width: int, indent: int) -> None:
    text = (
        '@a("b") permit(principal is A::B in (?principal), action in [Action::"a", Action::"b",], resource == C::"d",)'
        'when { if !(context.a - 1 * 2 == {b: [1,], "c": ip("x", 2,)}) then principal is A in [] else context has d.e }'
        'unless { context["f"].g.contains(A::B::"c") && "h" like "*" || -1 < context.i };'
    )
    found = [token.text for token in tokenize(Source("test", text), 10_000)]
    for between in (" // {}\n", "\n// {}\n", "// {}\n\n // {}\n", "\n\n//{}\r\n"):
        formatted(
            "".join(f"{between.format(number, -number)}{word}" for number, word in enumerate(found)), width, indent
        )


@pytest.mark.parametrize(
    ("text", "span"),
    [("permit", (6, 6)), ("// x\npermit(principal);", (21, 22)), ("^", (0, 1)), ("permit // \ud800", (10, 11))],
)
def test_what_is_no_cedar_is_refused_with_its_place(text: str, span: tuple[int, int]) -> None:
    with pytest.raises(ParseError) as caught:
        format_policies(Source("a.cedar", text))
    assert caught.value.span == span
    assert caught.value.render().startswith("a.cedar:")


@pytest.mark.parametrize("indent", [-1, MAX_FORMAT_INDENT + 1, 10**12])
def test_the_indent_is_bounded(indent: int) -> None:
    with pytest.raises(FormatError, match=f"the indent is {indent}, the range is 0 to 32"):
        format_policies(f"{ANY};", indent=indent)


def test_the_result_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{ANY}when{{true}};"
    size = len(format_policies(text))
    monkeypatch.setattr(formatter, "MAX_POLICY_TEXT", size)
    assert len(format_policies(text)) == size
    monkeypatch.setattr(formatter, "MAX_POLICY_TEXT", size - 1)
    with pytest.raises(FormatError, match=f"the formatted text has more than {size - 1} characters"):
        format_policies(text)


def test_parentheses_in_a_scope_are_bounded() -> None:
    def scope(depth: int) -> str:
        return f'permit(principal == {"(" * depth}U::"a"{")" * depth}, action, resource);'

    formatted(scope(MAX_EXPRESSION_DEPTH))
    with pytest.raises(FormatError, match="more than 128 levels of parentheses") as caught:
        format_policies(scope(100_000))
    assert caught.value.span == Span(20 + 1 + MAX_EXPRESSION_DEPTH, 20 + 2 + MAX_EXPRESSION_DEPTH)


LARGE: Final = {
    "conditions": ANY + " when { true }" * 5_000 + ";",
    "a chain": ANY + " when { " + "true && " * 20_000 + "true };",
    "a string": ANY + ' when { "' + "é" * 1_000_000 + '" == 1 };',
    "comments": ANY + "//x\n" * 100_000 + ";",
    "slashes": ANY + "/" * 1_000_000 + "\n;",
    "white space": ANY + " " * 500_000 + "//" + " " * 500_000 + "\n;",
    "a comment under parentheses": ANY + " when { " + "(" * 120 + "true // x\n" + ")" * 120 + " };",
    "nested sets": ANY + " when { " + ("[" + "1," * 40) * 120 + "1" + "]" * 120 + " == 1 };",
}


@pytest.mark.parametrize("name", LARGE)
def test_large_texts(name: str) -> None:
    result = format_policies(LARGE[name], sys.maxsize)
    assert result.startswith(ANY)
    assert sum(map(len, comments_of(result))) == sum(map(len, comments_of(LARGE[name])))


DEEP: Final = (
    "!(" * 120 + "true" + ")" * 120,
    "[" * 120 + "]" * 120 + " == 1",
    "{a:" * 120 + "1" + "}" * 120 + " == 1",
    "if true then " * 120 + "1" + " else 1" * 120 + " == 1",
    "(true && " * 120 + "true" + ")" * 120,
    "context" + ".a" * 120,
)


@pytest.mark.parametrize("body", DEEP)
def test_deep_expressions_take_no_stack(body: str) -> None:
    def within(frames: int) -> str:
        return within(frames - 1) if frames else format_policies(f"{ANY} when {{ {body} }};")

    frame, here = sys._getframe(), 0
    while (above := frame.f_back) is not None:
        frame, here = above, here + 1
    assert within(sys.getrecursionlimit() - here - 100).startswith(ANY)


@pytest.mark.parametrize(
    ("replace", "by", "message"),
    [
        ("context.a", "context.b", "says something else"),
        ("// x", "// y", "says something else"),
        (" // x\n", "\n// x\n", "says something else"),
        (" // x\n", "\n", "says something else"),
        (";", ";\n\npermit (principal, action, resource);", "says something else"),
        ("}", "", "is no Cedar"),
    ],
)
def test_a_result_that_is_not_the_text_never_leaves(
    monkeypatch: pytest.MonkeyPatch, replace: str, by: str, message: str
) -> None:
    text = f"{ANY} when {{ context.a // x\n}};"
    wrong = format_policies(text).replace(replace, by)
    monkeypatch.setattr(formatter, "_lines", lambda cursor, width: wrong.splitlines())
    with pytest.raises(FormatError, match=message):
        format_policies(text)


def test_any_bytes_are_formatted_or_refused() -> None:
    rng = random.Random(20_261_124)
    seeds = [f"{text}".encode() for text, _ in (*SCOPES.values(), *COMMENTS.values())]
    seeds += [f"{ANY} when {{ {body[:30]} }};".encode() for body in DEEP]
    read = 0
    for data in damaged(rng, seeds, '"\\/ \r\n(){}[],;:.=&|!-@?é\u2028\ud800', rounds(4_000)):
        text = data.decode("utf-8", "surrogateescape")
        try:
            format_policies(text, rng.choice((1, 20, 80)))
        except CedarError as error:
            error.render()
        else:
            formatted(text, rng.choice((1, 20, 80)))
            read += 1
    assert read > 100
