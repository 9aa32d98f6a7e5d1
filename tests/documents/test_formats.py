"""YAML and JSON as documents: what is read, what is refused and where, and that nothing else ever happens."""

import json
import random
from functools import partial

import pytest
import yaml
from fuzzing import damaged, refusal, rounds
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.errors import JsonError
from pdp.cedar.source import Position, Source
from pdp.cedar.wire.strict_json import Json
from pdp.documents import MAX_YAML_TEXT, DocumentError, parse_json_document, parse_yaml


def read(text: str) -> Json:
    return parse_yaml(Source("x.yaml", text)).value


def refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(text)
    assert caught.value.position is not None
    assert caught.value.render().startswith("x.yaml:")
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", {"a": 1}),
        ("a: -7", {"a": -7}),
        ("a: 0", {"a": 0}),
        ("a: 9223372036854775807", {"a": 2**63 - 1}),
        ("a: 99999999999999999999", {"a": "99999999999999999999"}),
        ("a: -0", {"a": "-0"}),
        ("a: +1", {"a": "+1"}),
        ("a: 007", {"a": "007"}),
        ("a: 0x1F", {"a": "0x1F"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: \u0661", {"a": "\u0661"}),
        ("a: 1.5", {"a": "1.5"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2026-03-02", {"a": "2026-03-02"}),
        ("a: 2026-03-02T10:00:00Z", {"a": "2026-03-02T10:00:00Z"}),
        ("a: true", {"a": True}),
        ("a: false", {"a": False}),
        ("a: True", {"a": "True"}),
        ("a: no", {"a": "no"}),
        ("a: on", {"a": "on"}),
        ("a: null", {"a": None}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: Null", {"a": "Null"}),
        ("a: ''", {"a": ""}),
        ("a: '1'", {"a": "1"}),
        ('a: "true"', {"a": "true"}),
        ("a: |\n  1\n", {"a": "1\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ('a: "\\U0001F600\\0"', {"a": "\U0001f600\0"}),
        ("true: 1\n1: 2\nnull: 3", {"true": 1, "1": 2, "null": 3}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("- 1\n- [2, {b: c}]\n-\n", [1, [2, {"b": "c"}], None]),
        ("[a: b]", [{"a": "b"}]),
        ("{a, b: 1}", {"a": None, "b": 1}),
        ("? a\n: b", {"a": "b"}),
        ("x", "x"),
        ("--- # a comment\na: 1\n...\n", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ],
)
def test_yaml_is_read_as_less_than_it_is(text: str, expected: Json) -> None:
    value = read(text)
    assert value == expected
    assert json.dumps(value) == json.dumps(expected)  # tells True from 1


@pytest.mark.parametrize(
    ("text", "at", "message", "help"),
    [
        ("", (1, 1), "the document is empty", None),
        ("# nothing\n", (1, 1), "the document is empty", None),
        ("a: &x 1", (1, 4), "anchors, aliases, tags and directives are not read here", "write the value out"),
        ("a: 1\nb: *a", (2, 4), "anchors, aliases, tags and directives are not read here", "write the value out"),
        ("a: !!str 1", (1, 4), "anchors, aliases, tags and directives are not read here", "write the value out"),
        ("%YAML 1.1\n---\na: 1", (1, 1), "anchors, aliases, tags and directives are not", "write the value out"),
        ("a: 1\n---\nb: 2", (2, 1), "a second document begins here", "write one document in a file"),
        ("a: 1\na: 2", (2, 1), 'duplicate key "a"', "keep one of the two entries"),
        ("a: {b: 1, 'b': 2}", (1, 11), 'duplicate key "b"', "keep one of the two entries"),
        ("a: 1\n[1]: 2", (2, 1), "a key must be a text that is not empty", None),
        ("'': 2", (1, 1), "a key must be a text that is not empty", None),
        ("a: b: c", (1, 5), "unexpected `:`", "put a text that holds `: ` in quotes"),
        ("a:\n\tb: 1", (2, 1), "unexpected tab", "indent with spaces"),
        ("a: @x", (1, 4), "unexpected character", "put a text that starts with this character in quotes"),
        ("a: `x`", (1, 4), "unexpected character", "put a text that starts with this character in quotes"),
        ("a: 1\nb: 'x\n", (2, 4), "this text has no end", "close the quotes"),
        ("a: 1\nb: 'x\n---\n", (2, 4), "this text has no end", "close the quotes"),
        ("a: 1\nb\nc: 1", (3, 1), "expected `:` after the key above", "a key and its value are written `key: value`"),
        ("a: [1\nb: 2", (2, 2), "expected `,` or the end of this list", "close the list with `]`"),
        ("a: {b: 1\nc: 2", (2, 2), "expected `,` or the end of this mapping", "close the mapping with `}`"),
        ("- a\n b: 1", (2, 3), "unexpected `:`", "put a text that holds `: ` in quotes"),
        ("a: 1\n- b", (2, 1), "unexpected entry", "the entries of one list or mapping begin in the same column"),
        ("a: [", (1, 5), "expected a value", None),
        ('a: "\\q"', (1, 6), "unknown escape", "write `\\\\` for a backslash, or use single quotes"),
        ('a: "\\ud800"', (1, 4), "lone surrogate in a text", "write the character itself"),
        ('"\\ud800": 1', (1, 1), "lone surrogate in a text", "write the character itself"),
        ("a: \ud800", (1, 4), "the text holds a character that YAML forbids", None),
        ("a: 1\nb: \0", (2, 4), "the text holds a character that YAML forbids", None),
        ('a: "\\UFFFFFFFF"', (1, 7), "this number is not one that YAML knows", None),
        ('a: "\\U00110000"', (1, 7), "this number is not one that YAML knows", None),
        ("%YAML 1." + "1" * 5_000, (1, 9), "this number is not one that YAML knows", None),
    ],
)
def test_refusals_of_yaml(text: str, at: tuple[int, int], message: str, help: str | None) -> None:
    error = refused(text)
    assert error.message.startswith(message)
    assert error.position == Position(*at)
    assert error.help == help


def test_a_fault_without_words_of_our_own_is_still_told() -> None:
    assert refused("a: |x\n  b").message.startswith("not YAML: expected chomping or indentation indicators")


def test_depth_has_a_bound_however_it_is_written() -> None:
    def flow(depth: int) -> str:
        return "[" * depth + "]" * depth

    def block(depth: int) -> str:
        return "- " * depth + "1"

    def without_indentation(depth: int) -> str:
        return "".join(f"{' ' * level}k:\n{' ' * level}-\n" for level in range(depth)) + " " * depth + "x"

    assert read(flow(32)) is not None
    assert read(block(32)) is not None
    assert read(without_indentation(16)) is not None
    for text in (flow(34), block(33), without_indentation(17), flow(500_000), "{a: " * 100_000, block(100_000)):
        error = refused(text)
        assert error.message == "nested too deeply"
        assert error.help == "at most 32 levels are read"


def test_length_has_a_bound() -> None:
    assert refused("#" * (MAX_YAML_TEXT + 1)).message == "the document is too long"


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), "a: 1\nlist: [x, {y: z}]\n'q': \"v\"\nempty:", "a: 1\nlist: [x, {y: z}]\n'q': \"v\"\nempty:"),
        (("a",), "1", "a"),
        (("list",), "[x, {y: z}]", "list"),
        (("list", 0), "x", "x"),
        (("list", 1), "{y: z}", "{y: z}"),
        (("list", 1, "y"), "z", "y"),
        (("q",), '"v"', "'q'"),
        (("empty",), "", "empty"),
        (("list", 7, "y"), "[x, {y: z}]", "[x, {y: z}]"),
    ],
)
def test_places_of_yaml(path: tuple[str | int, ...], value: str, key: str) -> None:
    source = Source("x.yaml", "a: 1\nlist: [x, {y: z}]\n'q': \"v\"\nempty:")
    places = parse_yaml(source)._places
    assert source.excerpt(places.value(path)) == value
    assert source.excerpt(places.key(path)) == key


def test_json_documents_are_strict_json_with_places() -> None:
    node = parse_json_document(Source("x.json", '{"a": [1, "x"]}'))
    assert node.value == {"a": [1, "x"]}
    with pytest.raises(JsonError) as json_error:
        parse_json_document(Source("x.json", '{"a": 1, "a": 2}'))
    assert json_error.value.position == Position(1, 10)
    with pytest.raises(DocumentError) as caught, node.table() as table:
        table.require("a").items()[1].integer(0, 9)
    assert caught.value.message == '`a[1]` must be a whole number from 0 to 9, found "x"'
    assert caught.value.position == Position(1, 11)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: #'é\n", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_what_pyyaml_writes_of_plain_data_is_read_back(value: Json) -> None:
    for flow in (True, False):
        text = yaml.safe_dump(value, allow_unicode=False, default_flow_style=flow)
        assert read(text.removesuffix("...\n")) == value


BASIC_PLANE = st.characters(max_codepoint=0xD7FF)


@given(st.dictionaries(st.text(BASIC_PLANE, min_size=1, max_size=40), st.text(BASIC_PLANE), max_size=5))
def test_json_without_pairs_of_surrogates_and_long_keys_is_yaml(value: dict[str, Json]) -> None:
    # PyYAML does not join a pair of surrogates, and YAML ends a key without `?` after 1,024 characters.
    assert read(json.dumps(value)) == value


SEEDS = [
    b"a: 1\nb: [x, {y: z}]\nc:\n  - 'q'\n  - \"\\u00e9\"\nd: |\n  text\n",
    b"? k\n: v\n--- \n...\n",
    b'{"a": [true, null, -1], "b": {}}',
    b'now: 2026-03-02T10:00:00Z\ncases:\n- name: x\n  principal: User::"a"\n',
]
SIGNS = ":-?[]{}#&*!|>'\"%@`, \t\n\r\0\\uUx0F1~<=.\u2028\ufeff\x85é\ud800"


def test_random_bytes_and_damaged_documents_raise_only_our_errors() -> None:
    rng = random.Random(20261124)
    errors = []
    for data in damaged(rng, SEEDS, SIGNS, rounds(6_000)):
        source = Source("x", data.decode("utf-8", rng.choice(("replace", "surrogateescape", "ignore"))))
        errors += [refusal(partial(parse_yaml, source)), refusal(partial(parse_json_document, source))]
    assert errors.count(None) > 1_000
    assert all(error.position is not None and error.render() for error in errors if error is not None)
