"""Documents and their layout: which line ends are taken, how lines are indented, how wide characters are."""

import itertools
import sys
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.text.layout import (
    HARD_LINE,
    LINE,
    NIL,
    SOFT_LINE,
    SPACE,
    Concat,
    Doc,
    Group,
    LineEnd,
    Nest,
    Text,
    columns,
    concat,
    group,
    lines,
    nest,
    text,
)


def laid_out(doc: Doc, width: int) -> str:
    return "\n".join(lines(doc, width))


LIST: Final = group(concat(text("["), nest(2, concat(SOFT_LINE, text("a,"), LINE, text("b"))), SOFT_LINE, text("]")))


@pytest.mark.parametrize(
    ("doc", "width", "expected"),
    [
        (NIL, 0, ""),
        (text("abc"), 0, "abc"),
        (LIST, 6, "[a, b]"),
        (LIST, 5, "[\n  a,\n  b\n]"),
        (LIST, -1, "[\n  a,\n  b\n]"),
        (concat(LIST, text(";")), 7, "[a, b];"),
        (concat(LIST, text(";")), 6, "[\n  a,\n  b\n];"),
        (concat(LIST, LINE, text(";")), 6, "[a, b]\n;"),
        (concat(LIST, HARD_LINE, text(";")), 6, "[a, b]\n;"),
        (concat(text(";"), LIST), 6, ";[\n  a,\n  b\n]"),
        (group(concat(text("a"), LINE, LIST)), 8, "a [a, b]"),
        (group(concat(text("a"), LINE, LIST)), 7, "a\n[a, b]"),
        (group(concat(text("a"), LINE, LIST)), 5, "a\n[\n  a,\n  b\n]"),
        (concat(LIST, group(concat(LINE, text("b"), LINE, text("c")))), 7, "[a, b]\nb\nc"),
        (group(concat(text("a"), LINE, text("b"), HARD_LINE, text("c"))), 80, "a\nb\nc"),
        (group(concat(text("a"), LINE, group(concat(text("b"), HARD_LINE)))), 80, "a\nb"),
    ],
)
def test_a_group_stands_on_one_line_if_it_fits_with_what_follows(doc: Doc, width: int, expected: str) -> None:
    assert laid_out(doc, width) == expected


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (concat(text("{"), nest(2, concat(HARD_LINE, text("a"))), HARD_LINE, text("}")), "{\n  a\n}"),
        (concat(text("{"), nest(2, concat(HARD_LINE, text("a"), HARD_LINE)), text("}")), "{\n  a\n}"),
        (nest(2, concat(text("a"), HARD_LINE, nest(2, text("b")))), "a\n  b"),
        (nest(2, concat(text("a"), nest(2, concat(HARD_LINE, text("b"))))), "a\n    b"),
        (concat(text("a"), HARD_LINE, nest(2, concat(text("b"), HARD_LINE, text("c")))), "a\nb\n  c"),
        (nest(3, concat(text("a"), HARD_LINE)), "a"),
    ],
)
def test_a_line_is_indented_like_what_stands_on_it(doc: Doc, expected: str) -> None:
    assert laid_out(doc, 80) == expected


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        (concat(HARD_LINE, text("a")), "a"),
        (concat(text("a"), HARD_LINE, HARD_LINE, text("b")), "a\nb"),
        (concat(text("a"), HARD_LINE, SPACE, HARD_LINE, text("b")), "a\nb"),
        (concat(text("a"), HARD_LINE, nest(4, HARD_LINE), text("b")), "a\nb"),
        (concat(text("a"), HARD_LINE, SPACE, text("b"), SPACE), "a\n b "),
        (concat(text('"\n\n \n"'), HARD_LINE, text("b")), '"\n\n \n"\nb'),
        (concat(text("a"), SPACE, HARD_LINE, text("b"), HARD_LINE), "a \nb"),
        (HARD_LINE, ""),
    ],
)
def test_blank_lines_are_left_out(doc: Doc, expected: str) -> None:
    assert laid_out(doc, 80) == expected


def test_nothing_leaves_no_trace_in_a_document() -> None:
    assert concat() is NIL
    assert concat(NIL, NIL) is NIL
    assert concat(NIL, SPACE, NIL) is SPACE
    assert nest(2, NIL) is NIL
    assert nest(0, LINE) is LINE
    assert group(NIL) is NIL
    assert group(text("a")) == text("a")
    assert group(LIST) is LIST


@pytest.mark.parametrize(
    ("characters", "width"),
    [
        ("", 0),
        ("abc\n\t\x00\x7f", 7),
        ("é", 1),
        ("e\u0301", 1),
        ("日本", 4),
        ("ｱ", 1),
        ("Ａ", 2),
        ("\U0001f600", 2),
        ("한", 2),
        ("\u1112\u1161\u11ab", 2),
        ("\u200b\u2060", 0),
        ("\u0378\ue000", 2),
        ("\xa0\x85", 2),
    ],
)
def test_columns(characters: str, width: int) -> None:
    assert columns(characters) == width


def test_layout_takes_no_stack() -> None:
    doc = text("a")
    for _ in range(sys.getrecursionlimit() * 3):
        doc = group(nest(1, concat(text("("), SOFT_LINE, doc, text(")"))))
    assert laid_out(doc, 10**9).startswith("(((")
    assert laid_out(doc, 1).startswith("(\n (\n  (\n")


def naive(doc: Doc, width: int) -> str:
    """The same layout, each group tried by walking over what would stand on its line."""
    tasks: list[tuple[Doc, int, bool]] = [(doc, 0, False)]
    out, position = "", 0
    while tasks:
        doc, indent, flat = tasks.pop()
        match doc:
            case Text(characters):
                out += characters
                position += columns(characters)
            case LineEnd(otherwise) if flat and otherwise is not None:
                out += otherwise
                position += len(otherwise)
            case LineEnd():
                position = tasks[-1][1] if tasks else 0
                out += "\n" + " " * position
            case Concat(parts):
                tasks += ((part, indent, flat) for part in reversed(parts))
            case Nest(by, nested):
                tasks.append((nested, indent + by, flat))
            case Group(grouped):
                fits = flat or fits_on(width - position, [task for task, _, _ in tasks], grouped)
                tasks.append((grouped, indent, fits))
    return "\n".join(line for line in out.split("\n") if line.strip())


def fits_on(room: int, rest: list[Doc], doc: Doc) -> bool:
    pending, flat = [doc], True
    while room >= 0:
        if not pending:
            if not rest:
                return True
            pending, flat = [rest[-1]], False
            rest = rest[:-1]
        match pending.pop():
            case Text(characters):
                room -= columns(characters)
            case LineEnd(otherwise):
                if not flat:
                    return True
                if otherwise is None:
                    return False
                room -= len(otherwise)
            case Concat(parts):
                pending += reversed(parts)
            case Nest(_, nested):
                pending.append(nested)
            case Group(grouped):
                pending.append(grouped)
    return False


DOCS: Final = st.recursive(
    st.sampled_from((text("a"), text("bcd"), text("日"), SPACE, LINE, LINE, SOFT_LINE, HARD_LINE)),
    lambda docs: st.one_of(
        st.lists(docs, min_size=2, max_size=4).map(lambda parts: concat(*parts)),
        docs.map(group),
        st.builds(nest, st.integers(1, 3), docs),
    ),
    max_leaves=25,
)


@given(DOCS, st.integers(0, 20))
def test_extents_say_what_a_walk_would_find(doc: Doc, width: int) -> None:
    assert laid_out(doc, width) == naive(doc, width)


def test_extents_of_all_small_documents() -> None:
    pieces = (text("ab"), LINE, SOFT_LINE, HARD_LINE)
    for parts, width in itertools.product(itertools.product(pieces, repeat=4), range(7)):
        first, second, third, fourth = parts
        doc = concat(group(concat(first, second)), group(nest(1, concat(third, group(concat(second, fourth))))), first)
        assert laid_out(doc, width) == naive(doc, width)
