"""String tokens to values: every escape, every refusal with its place, and the patterns of `like`."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_policies import expression_json, read_expression

from pdp.cedar.errors import ParseError
from pdp.cedar.nodes import ANY, Expr, Like, Literal, Pattern
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression

VALUES: Final = {
    r"": "",
    r"abc": "abc",
    r"\n\r\t\\\0\'\"": "\n\r\t\\\0'\"",
    r"'": "'",
    r"\x00\x41\x7f\x7F": "\0A\x7f\x7f",
    r"\u{0}\u{41}\u{000041}": "\0AA",
    r"\u{10FFFF}\u{10ffff}\u{d7ff}\u{e000}": "\U0010ffff\U0010ffff\ud7ff\ue000",
    r"\u{1F600}\u{1_F6_00}\u{1f600_}\u{1___f600__}": "\U0001f600" * 4,
    r"\u{2a}*\x2a": "***",
    r"\\n\\x41": r"\n\x41",
    "a\nb\tc\0d": "a\nb\tc\0d",
    "\u2028\x85\x7f é\U0001f600": "\u2028\x85\x7f é\U0001f600",
    "// no comment": "// no comment",
}
REFUSED: Final = {
    r"a\qb": (r"unknown escape `\q`", 1, 3),
    r"\a": (r"unknown escape `\a`", 0, 2),
    r"\u0041": (r"unknown escape `\u`", 0, 2),
    r"\U0001f600": (r"unknown escape `\U`", 0, 2),
    r"\101": (r"unknown escape `\1`", 0, 2),
    r"\x80": (r"unknown escape `\x80`", 0, 4),
    r"\xff": (r"unknown escape `\xff`", 0, 4),
    r"\x4": (r"unknown escape `\x4`", 0, 3),
    r"\x": (r"unknown escape `\x`", 0, 2),
    r"\xg0": (r"unknown escape `\xg0`", 0, 4),
    r"\u{}": (r"unknown escape `\u{}`", 0, 4),
    r"\u{_41}": (r"unknown escape `\u{_41}`", 0, 7),
    r"\u{0000041}": (r"unknown escape `\u{0000041}`", 0, 11),
    r"\u{110000}": (r"unknown escape `\u{110000}`", 0, 10),
    r"\u{d800}": (r"unknown escape `\u{d800}`", 0, 8),
    r"\u{DFFF}": (r"unknown escape `\u{DFFF}`", 0, 8),
    r"\u{41": (r"unknown escape `\u{41`", 0, 5),
    r"\u{4 1}": (r"unknown escape `\u{4 1}`", 0, 7),
    "\\u{\u0661}": ("unknown escape `\\u{\u0661}`", 0, 5),
    "a\\\nb": (r"unknown escape `\U+000A`", 1, 3),
    "a\rb": ("a string cannot hold a bare carriage return", 1, 2),
    "a\r\nb": ("a string cannot hold a bare carriage return", 1, 2),
    r"a\*b": (r"the escape `\*` exists only in the pattern of a `like`", 1, 3),
    r"\n\\\q": (r"unknown escape `\q`", 4, 6),
}
PATTERNS: Final[dict[str, Pattern]] = {
    r"": (),
    r"a": ("a",),
    r"*": (ANY,),
    r"**": (ANY,),
    r"***a**": (ANY, "a", ANY),
    r"a*b": ("a", ANY, "b"),
    r"\*": ("*",),
    r"a\**\*": ("a*", ANY, "*"),
    r"\x2a": (ANY,),
    r"\u{2a}\u{2A}": (ANY,),
    r"a\x2ab": ("a", ANY, "b"),
    r"\\*": ("\\", ANY),
    r"\\\*": ("\\*",),
    r"\"*\'": ('"', ANY, "'"),
    r"?[a].+": ("?[a].+",),
    "\n*\t": ("\n", ANY, "\t"),
}


def parse(text: str) -> Expr:
    return parse_expression(Source("test", text))


@pytest.mark.parametrize("body", VALUES, ids=repr)
def test_the_value_of_a_string(body: str) -> None:
    assert parse(f'"{body}"') == Literal(VALUES[body])
    assert read_expression(f'"{body}"') == {"Value": VALUES[body]}


@pytest.mark.parametrize("body", REFUSED, ids=repr)
def test_what_is_no_string(body: str) -> None:
    message, start, end = REFUSED[body]
    with pytest.raises(ParseError) as caught:
        parse(f'"{body}"')
    assert caught.value.message == message
    assert caught.value.span == (start + 1, end + 1)
    assert caught.value.help
    with pytest.raises(ValueError, match=r"(?s)."):
        read_expression(f'"{body}"')


@pytest.mark.parametrize("body", PATTERNS, ids=repr)
def test_the_pattern_of_a_string(body: str) -> None:
    assert parse(f'"" like "{body}"') == Like(Literal(""), PATTERNS[body])
    assert read_expression(f'"" like "{body}"') == expression_json(Like(Literal(""), PATTERNS[body]))


@pytest.mark.parametrize("body", [body for body in REFUSED if "*" not in body], ids=repr)
def test_a_pattern_has_the_escapes_of_a_string(body: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(f'"" like "{body}"')
    assert caught.value.message == REFUSED[body][0]


def test_every_byte_escape_and_no_other_simple_one() -> None:
    for number in range(256):
        for digits in (f"{number:02x}", f"{number:02X}"):
            if number < 128:
                assert parse(f'"\\x{digits}"') == Literal(chr(number))
            else:
                with pytest.raises(ParseError):
                    parse(f'"\\x{digits}"')
    for number in range(1, 0x300):
        if chr(number) not in "nrt\\0'\"xu*":
            with pytest.raises(ParseError):
                parse(f'"\\{chr(number)}"')


@given(st.characters(exclude_categories=["Cs"]))
def test_any_character_can_be_written_as_an_escape_or_as_it_is(char: str) -> None:
    assert parse(f'"\\u{{{ord(char):x}}}"') == Literal(char)
    if char not in '"\\\r':
        assert parse(f'"{char}"') == Literal(char)


@given(st.text(st.sampled_from("\\\"*nx2au{}0_'\r\n7Fq"), max_size=12))
def test_strings_and_patterns_are_read_as_the_rust_engine_reads_them(body: str) -> None:
    for expression in (f'"{body}"', f'"" like "{body}"'):
        try:
            theirs = read_expression(expression)
        except ValueError:
            with pytest.raises(ParseError):
                parse(expression)
            continue
        assert expression_json(parse(expression)) == theirs
