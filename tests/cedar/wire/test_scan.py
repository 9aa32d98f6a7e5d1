"""Places in a JSON text: every value by its path, and the faults that the standard decoder lets pass."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.source import Span
from pdp.cedar.wire.scan import find_fault, find_path, find_surrogate, is_long
from pdp.cedar.wire.strict_json import Json

DOCUMENTS: Final = [
    '[{"uid": {"type": "A", "id": "b"}, "attrs": {"x": [1, {"y": null}], "": true}}, {}, [[], [1, [2]]]]',
    ' { "a" : [ 1 , 2 ] ,\n "b":{"a":{"a":-3}},"\\u0063\\"]":"}{,\\\\","d":[],"e":{} } ',
    "7",
    '"a"',
    "[[[[[]]]],[],{}]",
    '{"a":1}',
]


def paths(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    yield path, value
    inner: Sequence[tuple[str | int, Json]] = ()
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    for step, element in inner:
        yield from paths(element, (*path, step))


def covered(text: str, path: Sequence[str | int]) -> str:
    start, end = find_path(text, path)
    return text[start:end]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_every_value_is_found_by_its_path(text: str) -> None:
    for path, value in paths(json.loads(text)):
        assert json.loads(covered(text, path)) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_every_value_of_any_document_is_found(value: Json, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for path, inner in paths(value):
        assert json.loads(covered(text, path)) == inner


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("missing",), '{"a": [1, 2], "b": {}}'),
        ((0,), '{"a": [1, 2], "b": {}}'),
        (("a", 2), "[1, 2]"),
        (("a", "b"), "[1, 2]"),
        (("a", 0, "x"), "1"),
        (("b", "c", "d"), "{}"),
        (("a", -1), "[1, 2]"),
    ],
)
def test_a_path_that_leads_nowhere_ends_at_the_last_value_on_the_way(
    path: tuple[str | int, ...], expected: str
) -> None:
    text = '{"a": [1, 2], "b": {}}'
    start, end = find_path(text, path)
    assert text[start:].startswith(expected)
    assert end > start


def test_a_path_into_nothing() -> None:
    assert find_path("", ("a",)) == Span(0, 0)
    assert find_path("  ", ()) == Span(0, 0)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("0", True), ("-1", True), (str(LONG_MAX), True), (str(LONG_MIN), True), (str(LONG_MAX + 1), False),
    (str(LONG_MIN - 1), False),
        ("-0", False), ("1.0", False), ("1e1", False), ("", False), ("-", False), ("9" * 5000, False),
    ("\u0661", False), ("NaN", False),
    ],
)  # fmt: skip
def test_what_is_a_long(number: str, expected: bool) -> None:
    assert is_long(number) is expected


def test_a_good_document_has_no_fault() -> None:
    for text in DOCUMENTS:
        assert find_fault(text) is None
        assert find_surrogate(text) is None


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (r'"\ud800"', (1, 7)),
        (r'"\uD83D\uDE00\uDe00"', (13, 19)),
        (r'"\\ud800"', None),
        (r'"\\\ud800"', (3, 9)),
        (r'"\ud83d\ud83d\ude00"', (1, 7)),
        (r'"\ud7ff\ue000"', None),
        ('"\U0001f600"', None),
        ('["a", "\udc00"]', (7, 8)),
    ],
)
def test_half_a_pair_of_surrogates_is_found(text: str, span: tuple[int, int] | None) -> None:
    assert find_surrogate(text) == span


@given(
    st.lists(st.sampled_from(["\\ud83d", "\\ude00", "\\\\", "\\n", "u", "\\u0041", "\\uD800", "\\uDFFF"]), max_size=8)
)
def test_a_surrogate_is_found_exactly_if_the_text_has_one(parts: list[str]) -> None:
    text = f'"{"".join(parts)}"'
    value: str = json.loads(text)
    has_one = any("\ud800" <= char <= "\udfff" for char in value)
    assert (find_surrogate(text) is not None) is has_one
