"""Names of types and references to entities, alone and as the start of a longer text."""

from typing import Final

import pytest
from rust_policies import accepts_policies

from pdp.cedar.errors import ParseError
from pdp.cedar.names import RESERVED
from pdp.cedar.source import Source
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.entity_uids import parse_entity_uid, parse_type_name, read_path
from pdp.cedar.values import EntityUID

UIDS: Final = {
    'User::"alice"': EntityUID("User", "alice"),
    'A::B::C::"x"': EntityUID("A::B::C", "x"),
    '  A ::B\n:: // c\n "x" // d': EntityUID("A::B", "x"),
    'permit::""': EntityUID("permit", ""),
    'principal::"\\"\\n\\u{1F600}"': EntityUID("principal", '"\n\U0001f600'),
    '_::"User::\\"a\\""': EntityUID("_", 'User::"a"'),
}
NO_UIDS: Final = [
    "", "User", "User::", '"alice"', '::"alice"', 'User:"alice"', 'User::"alice', "User::'alice'", "User::alice",
    'User::"a"::"b"',
    'User::"a" x', 'User::"a".b', '(User::"a")', 'User::if::"a"', '__cedar::"a"', 'Us er::"a"', 'User."a"',
    'User::1::"a"', 'Usér::"a"',
    'User::"\\q"', 'User::"\\*"', "?principal", "true", 'true::"a"', "User::{}", 'User::["a"]', ':: "a"', "1",
    '"a"::"b"',
]  # fmt: skip
NO_TYPES: Final = [
    "",
    "User::",
    "::User",
    'User::"a"',
    "if",
    "User::in",
    "__cedar::Long",
    "User Group",
    "1",
    '"User"',
    "(User)",
    "a.b",
    "?x",
    "é",
]


@pytest.mark.parametrize("text", UIDS)
def test_an_entity_uid(text: str) -> None:
    assert parse_entity_uid(text) == UIDS[text]
    assert accepts_policies(f"permit(principal == {text}\n, action, resource);")
    assert parse_entity_uid(str(UIDS[text])) == UIDS[text]


@pytest.mark.parametrize("text", NO_UIDS)
def test_what_is_no_entity_uid(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_entity_uid(text, "<principal>")
    assert caught.value.render().startswith("<principal>:1:")


def test_a_type_name_loses_its_white_space() -> None:
    for text in ("A::B", " A :: B ", "A//x\n::\tB"):
        assert parse_type_name(text) == "A::B"
    assert parse_type_name("permit") == "permit"


@pytest.mark.parametrize("text", NO_TYPES)
def test_what_is_no_type_name(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_type_name(text, "<type>")
    assert caught.value.render().startswith("<type>:1:")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_no_part_of_a_name(word: str) -> None:
    for text in (word, f"A::{word}", f"{word}::A"):
        with pytest.raises(ParseError, match=f"`{word}` is a reserved word and no name"):
            parse_type_name(text)
        with pytest.raises(ParseError, match=f"`{word}` is a reserved word and no name"):
            parse_entity_uid(f'{text}::"x"')


def test_a_path_leaves_what_follows_it_unread() -> None:
    for text, path, following in (
        ('A::"b".c', EntityUID("A", "b"), "."),
        ("A::B(1)", "A::B", "("),
        ("A B", "A", "B"),
        ("A : : B", "A", ":"),
    ):
        cursor = Cursor(Source("test", text))
        assert read_path(cursor, "a path") == path
        assert cursor.token.text == following
