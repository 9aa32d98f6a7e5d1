"""JSON read strictly: what RFC 8259 allows and Cedar does not, each refusal with its place; and no text escapes it."""

import json
import sys
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import accepts_entities

from pdp.cedar.errors import EntityError, JsonError
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH, MAX_JSON_TEXT
from pdp.cedar.source import Source, Span
from pdp.cedar.wire.strict_json import FormError, Json, located, parse_json, place


def read(text: str) -> Json:
    return parse_json(Source("test.json", text))


def refusal(text: str) -> JsonError:
    with pytest.raises(JsonError) as caught:
        read(text)
    assert caught.value.position is not None
    assert caught.value.render().startswith("test.json:")
    return caught.value


ACCEPTED: Final[dict[str, Json]] = {
    "null": None,
    " \t\r\ntrue\n": True,
    "false": False,
    "0": 0,
    "-1": -1,
    "9223372036854775807": LONG_MAX,
    "-9223372036854775808": LONG_MIN,
    '""': "",
    r'"\"\\\/\b\f\n\r\t\u0041\u0000"': '"\\/\b\f\n\r\tA\0',
    r'"\ud83d\ude00"': "\U0001f600",
    '"é\u2028\U0001f600\x7f"': "é\u2028\U0001f600\x7f",
    "[]": [],
    '[1,[2,{"a":[]}]]': [1, [2, {"a": []}]],
    '{"":0,"a":{"a":{"a":1}},"A":2,"a ":3}': {"": 0, "a": {"a": {"a": 1}}, "A": 2, "a ": 3},
    '{"\\u0061":1,"b":2}': {"a": 1, "b": 2},
}
REFUSED: Final = {
    # the grammar
    "": ("unexpected end of the document", 0, 0),
    "  ": ("unexpected end of the document", 2, 2),
    "[1": ("expected `,` or the end of this array or object", 2, 2),
    "[1,": ("unexpected end of the document", 3, 3),
    "[1 2]": ("expected `,` or the end of this array or object", 3, 4),
    "[,1]": ("expected a JSON value", 1, 2),
    '{"a" 1}': ("expected `:` after the key", 5, 6),
    '{"a":}': ("expected a JSON value", 5, 6),
    "{a:1}": ("expected a key in double quotes", 1, 2),
    "{'a':1}": ("expected a key in double quotes", 1, 2),
    "{1:2}": ("expected a key in double quotes", 1, 2),
    "'a'": ("expected a JSON value", 0, 1),
    '"a': ("this string has no end", 0, 1),
    '"a\nb"': ("control character in a string", 2, 3),
    '"a\x00b"': ("control character in a string", 2, 3),
    r'"\x41"': ("invalid escape in a string", 1, 2),
    r'"\u004"': ("invalid escape in a string", 2, 3),
    "1 2": ("unexpected text after the end of the document", 2, 3),
    "[] []": ("unexpected text after the end of the document", 3, 4),
    "\ufeff[]": ("the document starts with a byte order mark", 0, 1),
    "[1] // c": ("unexpected text after the end of the document", 4, 5),
    "True": ("expected a JSON value", 0, 1),
    "nul": ("expected a JSON value", 0, 1),
    "\xa01": ("expected a JSON value", 0, 1),
    "01": ("unexpected text after the end of the document", 1, 2),
    "+1": ("expected a JSON value", 0, 1),
    ".5": ("expected a JSON value", 0, 1),
    "\u0661": ("expected a JSON value", 0, 1),
    "0x10": ("unexpected text after the end of the document", 1, 2),
    # numbers that are not Longs
    "9223372036854775808": ("`9223372036854775808` is not a Long", 0, 19),
    "[1, -9223372036854775809]": ("`-9223372036854775809` is not a Long", 4, 24),
    '{"a": 1.0}': ("`1.0` is not a Long", 6, 9),
    "1e2": ("`1e2` is not a Long", 0, 3),
    "-1.5E-3": ("`-1.5E-3` is not a Long", 0, 7),
    "-0": ("`-0` is not a Long", 0, 2),
    "[-0]": ("`-0` is not a Long", 1, 3),
    "NaN": ("`NaN` is not a Long", 0, 3),
    "[Infinity]": ("`Infinity` is not a Long", 1, 9),
    "-Infinity": ("`-Infinity` is not a Long", 0, 9),
    "1" * 100: (f"`{'1' * 40}` is not a Long", 0, 100),
    '{"a":{"b":1},"b":1.5}': ("`1.5` is not a Long", 17, 20),
    "[" + "[]," * 200 + "1.5]": ("`1.5` is not a Long", 601, 604),
    # keys
    '{"a":1,"a":1}': ('duplicate key "a"', 7, 10),
    '{"a":1,"\\u0061":2}': ('duplicate key "a"', 7, 15),
    '[{"x":{"b":1,"c":[{"b":2}],"b":3}}]': ('duplicate key "b"', 27, 30),
    '{"":1,"":1}': ('duplicate key ""', 6, 8),
    # strings that are no text
    r'"\ud800"': ("lone surrogate in a string", 1, 7),
    r'"\udc00\ud800"': ("lone surrogate in a string", 1, 7),
    r'["\\\\ud800", "\ud83d\ude00", "\ud83d"]': ("lone surrogate in a string", 31, 37),
    r'{"\uDFFF":1}': ("lone surrogate in a string", 2, 8),
    r'"\ud83d\\ude00"': ("lone surrogate in a string", 1, 7),
    '"\ud800"': ("lone surrogate in a string", 1, 2),
    # depth
    "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH: ("nested too deeply", 127, 128),
    '{"a":' * 200 + "1" + "}" * 200: ("nested too deeply", 635, 636),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_reads(text: str) -> None:
    assert read(text) == ACCEPTED[text]
    assert json.dumps(read(text)) == json.dumps(ACCEPTED[text])  # `1 == True` in Python


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:40]))
def test_refuses(text: str) -> None:
    message, start, end = REFUSED[text]
    error = refusal(text)
    assert error.message == message
    assert error.span == Span(start, end)
    error.render().encode()


@pytest.mark.parametrize("text", ["[1,]", '{"a":1,}', "[[],]"])
def test_a_trailing_comma_is_named_as_such(text: str) -> None:
    # Newer decoders point at the comma, older ones behind it.
    error = refusal(text)
    assert "trailing comma" in f"{error.message} {error.help}"
    assert error.span is not None
    assert text[error.span.start] in ",]}"


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:40]))
def test_the_rust_engine_refuses_it_as_a_value_too(text: str) -> None:
    document = f'[{{"uid": {{"type": "A", "id": "b"}}, "parents": [], "attrs": {{"x": {text}}}}}]'
    refusal(document)
    try:
        assert not accepts_entities(document)
    except UnicodeEncodeError:
        assert "\ud800" in text  # which cannot even be handed over


def test_the_first_duplicate_is_the_one_shown() -> None:
    error = refusal('{"b": [{"x": 1, "x": 2}], "b": 1}')
    assert (error.message, error.span) == ('duplicate key "x"', Span(16, 19))


def test_the_deepest_document() -> None:
    levels = MAX_JSON_DEPTH - 1
    for text in ("[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels, '[{"a":' * 63 + "[]" + "}]" * 63):
        assert json.loads(text) == read(text)
        refusal(f"[{text}]")


BRACKETS: Final[dict[str, Callable[[int], str]]] = {
    "open arrays": lambda size: "[" * size,
    "nested arrays": lambda size: "[" * size + "]" * size,
    "open objects": lambda size: '{"a":' * size,
    "brackets in a string": lambda size: '["' + "[" * size + '",1.0]',
    "quotes": lambda size: '"' * size,
    "backslashes": lambda size: '"' + "\\" * size,
    "digits": lambda size: "9" * size,
    "keys": lambda size: "{" + ",".join(f'"{number}":1' for number in range(size // 10)) + ',"0":1}',
    "surrogates": lambda size: '"' + "\\ud83d" * (size // 6) + '"',
}


@pytest.mark.parametrize("name", BRACKETS)
def test_a_large_text_is_refused_in_time(name: str) -> None:
    refusal(BRACKETS[name](1_000_000))


def test_brackets_inside_strings_are_no_depth() -> None:
    assert read(f'["{"[{" * 1000}"]') == ["[{" * 1000]


def test_a_text_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.cedar.wire.strict_json.MAX_JSON_TEXT", 20)
    assert read(" " * 18 + "[]") == []
    assert refusal(" " * 19 + "[]").message == "the document is too long"
    assert MAX_JSON_TEXT == 256 * 1024 * 1024


def test_the_callers_stack_may_be_nearly_used_up() -> None:
    """Then the document is refused as too deep, with a help that says where the fault is; it is never misread."""
    text = "[" * 100 + "]" * 100

    def read_below(frames: int) -> Json:
        return read(text) if frames == 0 else read_below(frames - 1)

    helps = set()
    for frames in range(0, sys.getrecursionlimit(), 5):
        try:
            assert read_below(frames) == json.loads(text)
        except JsonError as error:
            helps.add(error.help)
        except RecursionError:
            break
    assert helps == {"call the reader from a shallower stack"}


values = st.recursive(
    st.none() | st.booleans() | st.integers(LONG_MIN, LONG_MAX) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


@given(values, st.booleans(), st.sampled_from([None, 0, 2]))
def test_reads_what_the_standard_library_writes(value: Json, ascii_only: bool, indent: int | None) -> None:
    assert read(json.dumps(value, ensure_ascii=ascii_only, indent=indent)) == value


@given(st.text(st.sampled_from('{}[]":,01e.-+ \\utrfnNaI\n\ud800"ab'), max_size=30))
def test_every_text_gives_a_value_or_a_place(text: str) -> None:
    fault = None
    try:
        value = read(text)
    except JsonError as error:
        fault = error
    if fault is None:
        assert json.loads(text) == value
    else:
        assert fault.position is not None
        assert fault.render()


def test_an_error_gets_a_place_once() -> None:
    source, other = Source("one", '{"a": [1, 22]}'), Source("two", "[]")
    error = FormError("no", ("a", 1))
    place(error, source, ("ignored",))
    assert (error.source, error.span) == (source, Span(10, 12))
    place(error, other, ())
    assert error.source is source
    entity = EntityError("no")
    place(entity, source, ("a",))
    assert entity.span == Span(6, 13)
    with pytest.raises(FormError) as caught, located(source, ("a",)):
        raise FormError("no", ("a", 0))
    assert caught.value.span == Span(7, 8)
    with pytest.raises(ZeroDivisionError), located(source):
        raise ZeroDivisionError
