"""Reading values from a document: each reader's types and bounds, unknown keys, and the place of every refusal."""

from collections.abc import Callable

import pytest

from pdp.cedar.errors import CedarError, EntityError, ParseError
from pdp.cedar.source import Position, Source
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.strict_json import FormError
from pdp.cedar.wire.values import read_value
from pdp.documents import DocumentError, Node, parse_json_document, parse_yaml

HOUR = 3_600_000


def node(value: str) -> Node:
    """The node of a value under the key `k`, at line 2, column 4."""
    return parse_yaml(Source("x.yaml", f"# file\nk: {value}")).entries()[0][1]


def refused(read: Callable[[], object]) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read()
    return caught.value


KINDS = {
    "text": "some text",
    "empty": "''",
    "true": "true",
    "integer": "5",
    "null": "null",
    "list": "[1]",
    "mapping": "{a: 1}",
}
FOUND = {
    "text": '"some text"',
    "empty": "an empty text",
    "true": "`true`",
    "integer": "`5`",
    "null": "`null`",
    "list": "a list",
    "mapping": "a mapping",
}
READERS: dict[str, tuple[Callable[[Node], object], set[str], str]] = {
    "text": (Node.text, {"text"}, "`k` must be a text, found "),
    "choice": (lambda n: n.choice(("a", "some text")), {"text"}, "`k` cannot be "),
    "choice of a set": (lambda n: n.choice({"some text"}), {"text"}, "`k` cannot be "),
    "integer": (lambda n: n.integer(1, 9), {"integer"}, "`k` must be a whole number from 1 to 9, found "),
    "flag": (Node.flag, {"true"}, "`k` must be `true` or `false`, found "),
    "duration": (lambda n: n.duration(0, 1), set(), "`k` must be a "),
    "instant": (Node.instant, set(), "`k` must be a"),
    "entity": (Node.entity, set(), "`k`"),
    "items": (Node.items, {"list"}, "`k` must be a list, found "),
    "entries": (Node.entries, {"mapping"}, "`k` must be a mapping, found "),
    "table": (Node.table, {"mapping"}, "`k` must be a mapping, found "),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_every_other_type_at_its_place(reader: str, kind: str) -> None:
    read, accepted, message = READERS[reader]
    here = node(KINDS[kind])
    if kind in accepted:
        read(here)
        return
    error = refused(lambda: read(here))
    assert error.message.startswith(message)
    assert error.source == here.source
    if (reader, kind) != ("entity", "text"):  # a text may be wrong in many ways: see TestParsed
        assert error.message.endswith(FOUND[kind])
        assert error.position == Position(2, 4)


def test_values() -> None:
    assert node("abc").text() == "abc"
    assert node("b").choice(["a", "b"]) == "b"
    assert node("-5").integer(-5, -5) == -5
    assert (node("true").flag(), node("false").flag()) == (True, False)
    assert node("1h30m").duration(0, 2 * HOUR) == 90 * 60_000
    assert node("2026-03-02T10:00:00Z").instant() == 1_772_445_600_000
    assert node("2026-03-02").instant() == 1_772_409_600_000
    assert node("""'A::User::"a b"'""").entity() == EntityUID("A::User", "a b")
    assert [item.value for item in node("[1, x]").items()] == [1, "x"]
    assert [(key, item.value) for key, item in node("{a: 1, 'b c': x}").entries()] == [("a", 1), ("b c", "x")]


def test_bounds_are_inclusive() -> None:
    for bound in (1, 64):
        assert node(str(bound)).integer(1, 64) == bound
    for beyond in ("0", "65", "-1", "'1'"):
        error = refused(lambda: node(beyond).integer(1, 64))  # noqa: B023  called at once
        assert "must be a whole number from 1 to 64" in error.message
    assert node("1ms").duration(1, 60_000) == 1
    assert node("1m").duration(1, 60_000) == 60_000
    for beyond in ("0ms", "1m1ms", "-1s"):
        error = refused(lambda: node(beyond).duration(1, 60_000))  # noqa: B023  called at once
        assert error.message == f'`k` must be from 1ms to 1m, found "{beyond}"'


@pytest.mark.parametrize("text", ["1.5h", "1 h", "h", "1m1h", "5", "-", "1w", "99999999999999999999d"])
def test_what_is_no_duration(text: str) -> None:
    error = refused(lambda: node(f"'{text}'").duration(0, HOUR))
    assert error.message == f'`k` must be a duration, found "{text}"'
    assert error.help == "write it as in `1h30m`, with the units d, h, m, s, ms in this order"


@pytest.mark.parametrize("text", ["yesterday", "2026-02-29", "2026-03-02T10:00:00", "2026-03-02T10:00:00+00:00", "5m"])
def test_what_is_no_instant(text: str) -> None:
    error = refused(lambda: node(text).instant())
    assert error.message == f'`k` must be an instant, found "{text}"'
    assert error.help == "write it as in `2026-03-02T10:00:00Z`"


def test_help_says_what_to_do() -> None:
    assert refused(node("5").text).help == "put it in quotes"
    assert refused(node("true").text).help == "put it in quotes"
    assert refused(node("null").text).help is None
    assert refused(lambda: node("5").text("say who")).help == "say who"
    assert refused(lambda: node("permitt").choice(("permit", "forbid"))).help == "did you mean `permit`?"
    assert refused(lambda: node("xyz").choice(("permit", "forbid"))).help == "one of `permit`, `forbid`"
    assert refused(lambda: node("None").choice(("none",))).help == "did you mean `none`?"
    assert refused(lambda: node("null").choice(("none",))).help == "one of `none`"
    assert refused(lambda: node("a" * 10_000).choice(("a" * 9_999,))).help is not None  # and it does not take minutes


def test_a_refusal_is_rendered_with_its_line_and_help() -> None:
    source = Source("pdp.yaml", "log:\n  format: xml\n")
    with (
        pytest.raises(DocumentError) as caught,
        parse_yaml(source).table() as table,
        table.require("log").table() as log,
    ):
        log.require("format").choice(("text", "json"))
    assert caught.value.render() == (
        'pdp.yaml:2:11: `log.format` cannot be "xml"\n'
        "  |\n"
        "2 |   format: xml\n"
        "  |           ^^^\n"
        "  help: one of `text`, `json`"
    )
    assert caught.value.code == "document"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[[0]]", "`[0][0]`"),
        ("{a: [{b: 0}]}", "`a[0].b`"),
        ("{'a b': 0}", '`["a b"]`'),
        ('{"\\n\\u001b": 0}', '`["\\n\\u{1b}"]`'),
        ("{" + "x" * 61 + ": 0}", '`["' + "x" * 60 + '"...]`'),
        ("0", "the document"),
    ],
)
def test_names_of_values_are_short_and_printable(text: str, name: str) -> None:
    at = parse_yaml(Source("x", text))
    while isinstance(at.value, list | dict):
        at = at.items()[0] if isinstance(at.value, list) else at.entries()[0][1]
    assert at.name == name
    assert refused(at.text).message == f"{name} must be a text, found `0`"


class TestTable:
    def test_keys_are_optional_or_required(self) -> None:
        with node("{a: 1}").table() as table:
            assert table.require("a").value == 1
            assert table.get("b") is None
        error = refused(lambda: node("{a: 1}").table().require("b"))
        assert (error.message, error.position, error.help) == ("`b` is missing", Position(2, 4), None)

    def test_a_null_is_there(self) -> None:
        with node("{a: null}").table() as table:
            assert table.require("a").value is None

    def test_a_missing_key_that_was_perhaps_misspelt(self) -> None:
        table = node("{audeince: x, audit: y}").table()
        table.get("audit")
        assert refused(lambda: table.require("audience")).help == 'is "audeince" a misspelling of it?'
        assert refused(lambda: table.require("audits")).help is None  # `audit` is a key of its own

    def test_a_key_that_nobody_asked_for_is_refused_at_the_end(self) -> None:
        def read(*keys: str) -> None:
            with node("{alpha: 1, beta: 2}").table() as table:
                for key in keys:
                    table.get(key)

        read("beta", "alpha", "gamma")
        error = refused(lambda: read("alpha", "bet"))
        assert (error.message, error.position) == ('unknown key "beta"', Position(2, 15))
        assert error.help == "did you mean `bet`?"
        assert refused(lambda: read("alpha", "zzz")).help == "the keys here are `alpha`, `zzz`"

    def test_the_first_unknown_key_is_named(self) -> None:
        with pytest.raises(DocumentError, match='unknown key "x"'), node("{x: 1, y: 2}").table():
            pass

    def test_an_error_inside_is_not_replaced_by_one_about_keys(self) -> None:
        with pytest.raises(ZeroDivisionError), node("{x: 1}").table():
            raise ZeroDivisionError

    def test_keys_are_checked_when_the_block_is_left_by_a_return(self) -> None:
        def read() -> int:
            with node("{x: 1}").table():
                return 1

        assert refused(read).message == 'unknown key "x"'

    def test_a_table_of_json_points_at_the_value(self) -> None:
        document = parse_json_document(Source("x.json", '{"a": 1}'))
        with pytest.raises(DocumentError) as caught, document.table():
            pass
        assert caught.value.position == Position(1, 7)


class TestParsed:
    @pytest.mark.parametrize(
        ("value", "column"),
        [
            ("User:::x", 10),
            ("'User::\"a\" x'", 15),
            ('User::"a" x', 14),
            ('"User::\\"a\\" x"', 4),  # with escapes: the whole value is shown
        ],
    )
    def test_the_place_is_inside_the_text_where_it_is_written_plainly(self, value: str, column: int) -> None:
        error = refused(node(value).entity)
        assert error.message.startswith("`k`: ")
        assert error.position == Position(2, column)

    def test_help_and_cause_are_those_of_the_parser(self) -> None:
        error = refused(node("User::ana").entity)
        assert isinstance(error.__cause__, ParseError)
        assert error.help == error.__cause__.help
        assert error.help

    def test_errors_without_a_place_get_the_whole_value(self) -> None:
        def parse(text: str) -> None:
            raise EntityError(f"no {text}")

        error = refused(lambda: node("abc").parsed(parse))
        assert (error.message, error.position) == ("`k`: no abc", Position(2, 4))
        assert error.span is not None
        assert error.source is not None
        assert error.source.excerpt(error.span) == "abc"

    def test_what_is_no_text_is_not_parsed(self) -> None:
        assert refused(lambda: node("5").parsed(len)).message == "`k` must be a text, found `5`"


class TestLocated:
    def test_an_error_without_a_source_gets_the_place(self) -> None:
        here = node("[1, {a: x}]")
        with pytest.raises(EntityError) as caught, here.items()[1].located():
            raise EntityError("cycle")
        assert (caught.value.source, caught.value.position) == (here.source, Position(2, 8))

    def test_a_form_error_gets_the_place_of_its_own_value(self) -> None:
        here = node("[1, {a: [1, null]}]").items()[1]
        with pytest.raises(FormError) as caught, here.located():
            read_value(here.value)
        assert caught.value.position == Position(2, 16)

    def test_an_error_with_a_source_keeps_it(self) -> None:
        other = Source("y", "z")
        with pytest.raises(CedarError) as caught, node("1").located():
            raise CedarError("x", source=other)
        assert caught.value.source is other

    def test_other_exceptions_pass(self) -> None:
        with pytest.raises(ZeroDivisionError), node("1").located():
            raise ZeroDivisionError
