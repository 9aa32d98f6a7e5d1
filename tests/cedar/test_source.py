"""Places in a text: lines and columns as editors count them, and the line with carets under it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.source import Position, Source, Span

TEXT = "one\ntwo\r\n\n\u00e9\U0001f600x\tend"


def underline(text: str, start: int, end: int) -> list[str]:
    return Source("test", text).underline(Span(start, end)).split("\n")


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        (0, (1, 1)),
        (2, (1, 3)),
        (3, (1, 4)),
        (4, (2, 1)),
        (8, (2, 5)),
        (9, (3, 1)),
        (10, (4, 1)),
        (12, (4, 3)),
        (17, (4, 8)),
    ],
)
def test_positions(offset: int, position: tuple[int, int]) -> None:
    assert Source("test", TEXT).position(offset) == Position(*position)


def test_lines() -> None:
    source = Source("test", TEXT)
    assert [source.line(number) for number in range(1, 7)] == ["one", "two", "", "\u00e9\U0001f600x\tend", "", ""]
    assert Source("test", "").line(1) == ""
    assert source.excerpt(Span(4, 7)) == "two"


@given(st.text(st.sampled_from("ab\n\r\u00e9")), st.integers(0, 40))
def test_a_position_leads_back_to_its_offset(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    line, column = Source("test", text).position(offset)
    assert sum(len(before) + 1 for before in text.split("\n")[: line - 1]) + column - 1 == offset


def test_carets_stand_under_what_they_mean() -> None:
    assert underline("permit(x);", 7, 8) == ["  |", "1 | permit(x);", "  |        ^"]
    assert underline("a\nbcd\ne", 3, 5) == ["  |", "2 | bcd", "  |  ^^"]
    assert underline("\n" * 99 + "abc", 99, 102) == ["    |", "100 | abc", "    | ^^^"]


def test_carets_end_with_the_line() -> None:
    assert underline("ab\ncd", 1, 5) == ["  |", "1 | ab", "  |  ^"]
    assert underline("ab\r\ncd", 1, 6) == ["  |", "1 | ab", "  |  ^"]


def test_there_is_a_caret_behind_the_end_too() -> None:
    assert underline("ab", 2, 2) == ["  |", "1 | ab", "  |   ^"]
    assert underline("ab\n", 3, 3) == ["  |", "2 | ", "  | ^"]
    assert underline("ab\ncd", 2, 3) == ["  |", "1 | ab", "  |   ^"]
    assert underline("", 0, 0) == ["  |", "1 | ", "  | ^"]


def test_what_would_move_the_carets_or_the_terminal_is_blank() -> None:
    assert underline("\ta\x1b[31m\u202e\u200bb", 8, 9) == ["  |", "1 |  a [31m  b", "  |         ^"]


def test_a_line_is_shown_whole_as_long_as_it_fits() -> None:
    line = "x" * 150 + "y" + "z" * 9
    assert underline(line, 150, 151) == ["  |", f"1 | {line}", f"  | {' ' * 150}^"]
    assert underline("\n" * 999 + line, 999 + 150, 999 + 151)[1] == f"1000 | {line}"


@pytest.mark.parametrize(("before", "after"), [(0, 1000), (30, 1000), (100, 60), (1000, 0), (100_000, 100_000)])
def test_a_long_line_is_cut_on_both_sides(before: int, after: int) -> None:
    _, shown, carets = underline("a\n" + "x" * before + "HERE" + "z" * after + "\nb", before + 2, before + 6)
    assert len(shown) <= 4 + 160
    assert shown[carets.index("^") :].startswith("HERE")
    assert carets.count("^") == 4


def test_carets_never_reach_beyond_what_is_shown() -> None:
    _, shown, carets = underline("x" * 500 + "y" * 100_000, 500, 100_500)
    assert len(carets) == len(shown)


@given(st.text(st.sampled_from("ab\n\r\t\u00e9")), st.integers(0, 30), st.integers(0, 30))
def test_any_span_of_any_text_can_be_shown(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    margin, shown, carets = underline(text, start, min(start + length, len(text)))
    assert shown.partition(" | ")[0].strip() == str(text.count("\n", 0, start) + 1)
    assert set(carets.partition("|")[2]) <= {" ", "^"}
    assert "^" in carets
    assert margin.index("|") == carets.index("|")
