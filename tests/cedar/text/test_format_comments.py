"""Tokens with their comments: which token a comment belongs to, and what becomes of last commas."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.errors import ParseError
from pdp.cedar.source import Source
from pdp.cedar.text.comments import CommentedCursor, commented_tokens, comments, document, word
from pdp.cedar.text.layout import concat, lines, text
from pdp.cedar.text.lexer import Kind


def shown(source: str) -> list[tuple[tuple[str, ...], str, str | None]]:
    """Of each token: the comments before it, its text, the comment behind it."""
    return [(item.leading, item.token.text, item.trailing) for item in commented_tokens(Source("test", source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", [((), "", None)]),
        ("//x", [(("//x",), "", None)]),
        ("//x\n\n  //y\n", [(("//x", "//y"), "", None)]),
        ("a", [((), "a", None), ((), "", None)]),
        ("a//x", [((), "a", "//x"), ((), "", None)]),
        ("a //x\n//y", [((), "a", "//x"), (("//y",), "", None)]),
        ("a\n//y", [((), "a", None), (("//y",), "", None)]),
        ("//x\na", [(("//x",), "a", None), ((), "", None)]),
        ("//x\na//y\n//z\n\n//w\nb", [(("//x",), "a", "//y"), (("//z", "//w"), "b", None), ((), "", None)]),
        ("a // x // y \t\nb", [((), "a", "// x // y"), ((), "b", None), ((), "", None)]),
        ("a // x\u2028\u3000\nb", [((), "a", "// x"), ((), "b", None), ((), "", None)]),
        ("a // x\x1c\nb", [((), "a", "// x\x1c"), ((), "b", None), ((), "", None)]),
        ("a //\nb", [((), "a", "//"), ((), "b", None), ((), "", None)]),
        ("a //x\r\n//y\r\nb", [((), "a", "//x"), (("//y",), "b", None), ((), "", None)]),
        ("a //x\r//y\rb", [((), "a", "//x"), (("//y",), "b", None), ((), "", None)]),
        ("a\r//x\nb", [((), "a", "//x"), ((), "b", None), ((), "", None)]),
        ('"//x" //y', [((), '"//x"', "//y"), ((), "", None)]),
    ],
)
def test_a_comment_belongs_to_the_token_on_its_line_or_to_the_next(
    source: str, expected: list[tuple[tuple[str, ...], str, str | None]]
) -> None:
    assert shown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1,)", [((), "1", None), ((), ")", None)]),
        ("1 , ]", [((), "1", None), ((), "]", None)]),
        ("1,}", [((), "1", None), ((), "}", None)]),
        ("1, //x\n)", [((), "1", "//x"), ((), ")", None)]),
        ("1 //x\n, //y\n//z\n)", [((), "1", "//x"), (("//y", "//z"), ")", None)]),
        ("1\n//x\n,//y\n)", [((), "1", None), (("//x", "//y"), ")", None)]),
        ("1,) , ]", [((), "1", None), ((), ")", None), ((), "]", None)]),
        ("1,2", [((), "1", None), ((), ",", None), ((), "2", None)]),
        ("1,[", [((), "1", None), ((), ",", None), ((), "[", None)]),
        ('1,")"', [((), "1", None), ((), ",", None), ((), '")"', None)]),
        (",", [((), ",", None)]),
        (",,)", [((), ",", None), ((), ")", None)]),
    ],
)
def test_a_last_comma_is_white_space(source: str, expected: list[tuple[tuple[str, ...], str, str | None]]) -> None:
    assert shown(source)[:-1] == expected


def test_what_is_no_token_is_refused() -> None:
    with pytest.raises(ParseError, match="unexpected character"):
        shown("a // x\n^")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("7", "7"),
        ("007", "7"),
        ("000", "0"),
        ("0", "0"),
        ("100", "100"),
        ('"007"', '"007"'),
        ("a0", "a0"),
        ("==", "=="),
    ],
)
def test_only_an_integer_is_written_otherwise_than_it_stands(source: str, expected: str) -> None:
    token = next(commented_tokens(Source("test", source))).token
    assert word(token) == expected


def test_a_cursor_stays_at_the_end_and_gives_leading_comments_once() -> None:
    cursor = CommentedCursor(Source("test", "//x\na //y\n//z"), 2)
    assert (cursor.text, cursor.at_end) == ("a", False)
    assert cursor.take_leading() == ("//x",)
    assert cursor.take_leading() == ()
    taken = cursor.take()
    assert (taken.leading, taken.trailing) == ((), "//y")
    assert (cursor.text, cursor.at_end) == ("", True)
    assert cursor.take().token.kind is Kind.END
    assert cursor.next.leading == ("//z",)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a", ["<a>"]),
        ("007", ["<7>"]),
        ("//x\na", ["<", "//x", "a>"]),
        ("a //y", ["<a //y", ">"]),
        ("//x\n//y\na//z", ["<", "//x", "//y", "a //z", ">"]),
    ],
)
def test_a_comment_ends_its_line_in_the_document(source: str, expected: list[str]) -> None:
    item = next(commented_tokens(Source("test", source)))
    assert list(lines(concat(text("<"), document(item), text(">")), 80)) == expected


PIECES: Final = (
    "a",
    ",",
    ")",
    "]",
    "1",
    '"x//y"',
    " ",
    "\n",
    "\r",
    "\r\n",
    "//c\n",
    "// d \r",
    "//e\r\n",
    "\t",
    "\u2028",
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_every_comment_is_at_exactly_one_token(source: str) -> None:
    found: list[str] = []
    for item in commented_tokens(Source("test", source)):
        found += item.leading
        found += () if item.trailing is None else (item.trailing,)
    assert tuple(found) == comments(re.sub(r'"x//y"', "s", source))
    assert all(comment in ("//c", "// d", "//e") for comment in found)
