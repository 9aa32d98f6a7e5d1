"""Characters to tokens: white space, comments, what a token is, where it stands, and what starts none."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_policies import accepts_policies

from pdp.cedar.errors import ParseError, SchemaError
from pdp.cedar.source import Source, Span
from pdp.cedar.text.lexer import Kind, Token, describe, printable, tokenize

WHITE_SPACE: Final = frozenset(
    map(
        chr,
        (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
"""The Unicode property White_Space, written out."""

NEARLY_WHITE_SPACE: Final = (
    "\x00\x08\x1b\x1c\x1d\x1e\x1f\x7f\x84\x86\u00ad\u180e\u200b\u200c\u200d\u200e\u2060\u2800\u3164\ufeff"
)


def tokens(text: str) -> list[Token]:
    return list(tokenize(Source("test", text), 1_000_000))


def texts(text: str) -> list[str]:
    return [token.text for token in tokens(text)[:-1]]


def kinds(text: str) -> list[Kind]:
    return [token.kind for token in tokens(text)[:-1]]


def refusal(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        tokens(text)
    return caught.value


def test_exactly_the_white_space_of_unicode_separates() -> None:
    separating = set()
    for number in (*range(0xD800), *range(0xE000, 0x11000), *range(0x1D000, 0x1F700), *range(0xE0000, 0xE0200)):
        try:
            if texts(f"a{chr(number)}b") == ["a", "b"]:
                separating.add(chr(number))
        except ParseError:
            continue
    assert separating == WHITE_SPACE


def test_white_space_is_the_rust_engines() -> None:
    policy = "permit(principal,{}action,resource);"
    for char in sorted(WHITE_SPACE):
        assert accepts_policies(policy.format(char)), hex(ord(char))
        assert texts(policy.format(char)) == texts(policy.format(" "))
    for char in NEARLY_WHITE_SPACE:
        assert not accepts_policies(policy.format(char)), hex(ord(char))
        assert refusal(policy.format(char)).span == Span(17, 18)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a // b", ["a"]),
        ("a // b\nc", ["a", "c"]),
        ("a // b\rc", ["a", "c"]),
        ("a // b\r\nc", ["a", "c"]),
        ("a // b\u2028c\u0085d", ["a"]),
        ("//", []),
        ("////a", []),
        ("//a\n//b\n \t//c\nd//e", ["d"]),
        ('"//" a', ['"//"', "a"]),
        ('// "\na', ["a"]),
        ("a /* b */", ["a", "/", "*", "b", "*", "/"]),
        ("a / b", ["a", "/", "b"]),
        ("a:://b\n::c", ["a", "::", "::", "c"]),
        ("", []),
        (" \n", []),
    ],
)
def test_comments(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a _ A9_ __cedar permit if", ["a", "_", "A9_", "__cedar", "permit", "if"]),
        ("0 007 99999999999999999999999999", ["0", "007", "99999999999999999999999999"]),
        ("1a 1_0", ["1", "a", "1", "_0"]),
        ('"" "a\nb\t\0" "\\"" "\\\\"', ['""', '"a\nb\t\0"', '"\\""', '"\\\\"']),
        ('"\r" "\\q"', ['"\r"', '"\\q"']),
        ("?principal ?x", ["?principal", "?x"]),
        ("? principal", ["?", "principal"]),
        (
            ":: : ::: == = === != ! <= < >= > && ||",
            ["::", ":", "::", ":", "==", "=", "==", "=", "!=", "!", "<=", "<", ">=", ">", "&&", "||"],
        ),
        ("@(){}[],;.+-*/%", [*"@(){}[],;.+-*/%"]),
        ("-1--1", ["-", "1", "-", "-", "1"]),
        ("a.b.c", ["a", ".", "b", ".", "c"]),
        ('A::"b"', ["A", "::", '"b"']),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_kinds() -> None:
    assert kinds('a 1 "s" ?s ;') == [Kind.IDENTIFIER, Kind.INTEGER, Kind.STRING, Kind.SLOT, Kind.PUNCTUATION]
    assert tokens("")[-1] == Token(Kind.END, "", 0, 0)
    assert tokens("a  ")[-1] == Token(Kind.END, "", 3, 3)
    assert tokens("a //x")[-1] == Token(Kind.END, "", 5, 5)


@pytest.mark.parametrize(
    "text", ["é", "a\u0301", "\u0661", "\uff11", "ａ", "'", "`", "#", "$", "^", "~", "&", "|", "\\", "“", "”", "\ufeff"]
)
def test_what_starts_no_token(text: str) -> None:
    offset = len(text) - 1
    assert refusal(text).span == Span(offset, offset + 1)


@pytest.mark.parametrize(("text", "span"), [('"', (0, 1)), ('a "b\\" c\nd', (2, 8)), ('"\\', (0, 2)), ('"" "', (3, 4))])
def test_a_string_without_an_end_is_shown_to_the_end_of_its_line(text: str, span: tuple[int, int]) -> None:
    error = refusal(text)
    assert error.message == "this string has no end"
    assert error.span == span


def test_the_first_fault_of_the_text_is_reported_first() -> None:
    read = tokenize(Source("test", "a ^ é"), 100)
    assert next(read).text == "a"
    with pytest.raises(ParseError, match=r"unexpected character `\^`"):
        next(read)


def test_faults_are_of_the_callers_kind() -> None:
    for text in ("^", "\ud800", "abc"):
        with pytest.raises(SchemaError):
            list(tokenize(Source("test", text), 2, SchemaError))


def test_a_text_is_bounded() -> None:
    assert [token.text for token in tokenize(Source("test", "ab cd"), 5)] == ["ab", "cd", ""]
    with pytest.raises(ParseError, match="the text has 6 characters, the limit is 5"):
        next(tokenize(Source("test", "ab cde"), 5))


@pytest.mark.parametrize("text", ["a \ud800", "// \udfff", '"\udc00"', "\ud83d\ude00"])
def test_half_a_surrogate_pair_is_no_text_wherever_it_stands(text: str) -> None:
    error = refusal(text)
    assert "half of a surrogate pair" in error.message
    assert error.span is not None
    assert "\ud800" <= text[error.span.start] <= "\udfff"
    error.render().encode()


def test_no_message_holds_what_is_invisible() -> None:
    assert printable("a\u202eb\x1b[0m\n") == "aU+202EbU+001B[0mU+000A"
    assert describe(tokens('"\u202e"')[0]) == '`"U+202E"`'
    assert describe(tokens("a" * 100)[0]) == f"`{'a' * 36}...`"
    assert describe(tokens("")[0]) == "the end of the text"
    assert "U+202E" in refusal("\u202e").message


LONG: Final[dict[str, tuple[str, int | str]]] = {
    "a string that does not end": ('"' + '\\"' * 100_000, "this string has no end"),
    "empty strings": ('""' * 100_000, 100_000),
    "slashes": ("/" * 199_999, 0),
    "white space": (" " * 200_000 + "^", "unexpected character"),
    "comments": ("//\n" * 60_000 + "^", "unexpected character"),
    "white space in a comment": ("//" + " " * 100_000 + "\n" + " " * 100_000 + "^", "unexpected character"),
    "a word": ("a" * 200_000, 1),
    "question marks": ("?" * 100_000, 100_000),
}
"""Texts that backtracking would take years for, with the number of their tokens or the fault."""


@pytest.mark.parametrize("name", LONG)
def test_no_text_takes_more_than_linear_time(name: str) -> None:
    text, expected = LONG[name]
    if isinstance(expected, int):
        assert len(texts(text)) == expected
    else:
        assert refusal(text).message.startswith(expected)


ALPHABET: Final = "".join(WHITE_SPACE) + '"\\/aA_09?:=!<>&|@(){}[],;.+*%-\u200b\U0001f600é'


@given(st.text(ALPHABET, max_size=40))
def test_tokens_and_the_gaps_between_them_make_up_the_text(text: str) -> None:
    try:
        found = tokens(text)
    except ParseError:
        return
    end = 0
    for token in found:
        gap = text[end : token.start]
        assert re.sub(r"//[^\r\n]*", "", gap).strip("".join(WHITE_SPACE)) == ""
        assert text[token.start : token.end] == token.text
        end = token.end
    assert end == len(text)
    assert [token.kind for token in found].count(Kind.END) == 1
