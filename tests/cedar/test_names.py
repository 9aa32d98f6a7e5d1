"""Identifiers, reserved words and type names; the Rust engine takes the same ones."""

import json
import random
from typing import Final

import pytest
from rust_engine import accepts_entities
from rust_policies import accepts_policies
from texts import mutants

from pdp.cedar.names import RESERVED, is_action_type, is_bare_name, is_identifier, is_type_name
from pdp.cedar.text import entity_uids, operands

TYPE_NAMES: Final = [
    "A",
    "_",
    "a9",
    "A::B",
    "A::B::C::d_9",
    "permit",
    "principal::Action",
    "Set",
    "__cedar2",
    "In",
    "ip::decimal",
]
NO_TYPE_NAMES: Final = [
    "", "::", "A::", "::A", "A::::B", "A:B", "A :: B", " A", "A ", "A\n", "9", "A::9", "A-B", "A.B", "\u00e9",
    "A\u0301", "\uff21",
    *RESERVED, *(f"A::{word}" for word in RESERVED), *(f"{word}::A" for word in RESERVED), "A::B\n", "\nA", "A\0",
]  # fmt: skip


def engine_accepts(name: str) -> bool:
    return accepts_entities(json.dumps([{"uid": {"type": name, "id": ""}, "attrs": {}, "parents": []}]))


@pytest.mark.parametrize("name", TYPE_NAMES)
def test_a_type_name(name: str) -> None:
    assert is_type_name(name)
    assert engine_accepts(name)


@pytest.mark.parametrize("name", NO_TYPE_NAMES, ids=repr)
def test_what_is_no_type_name(name: str) -> None:
    assert not is_type_name(name)
    assert not engine_accepts(name)


def test_names_that_are_nearly_right() -> None:
    names = mutants(random.Random(3), [*TYPE_NAMES, *NO_TYPE_NAMES], "aA_9:: \n.-\u00e9", 3_000)
    assert [name for name in names if is_type_name(name) != engine_accepts(name)] == []
    assert 500 < sum(map(is_type_name, names)) < 2_500


def test_identifiers_may_be_reserved_words_and_bare_names_may_not() -> None:
    for word in RESERVED:
        assert is_identifier(word)
        assert not is_bare_name(word)
    for word in ("a", "_9", "permit", "principal", "contains"):
        assert is_identifier(word)
        assert is_bare_name(word)
    for word in ("", "9a", "a b", "a::b", "a\n", "\u00e9"):
        assert not is_identifier(word)
        assert not is_bare_name(word)


def test_the_reserved_words_are_the_rust_engines() -> None:
    words = {"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"}
    assert words == RESERVED
    others = {
        "permit",
        "forbid",
        "when",
        "unless",
        "principal",
        "action",
        "resource",
        "context",
        "and",
        "or",
        "not",
        "null",
        "Action",
    }
    for word in words | others:
        assert accepts_policies(f"permit(principal is {word}, action, resource);") is (word not in RESERVED)


def test_there_is_one_list_of_them() -> None:
    for module in (entity_uids, operands):
        assert vars(module)["RESERVED"] is RESERVED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Action", True),
        ("A::Action", True),
        ("A::B::Action", True),
        ("action", False),
        ("XAction", False),
        ("Action::A", False),
        ("", False),
    ],
)
def test_types_of_actions(name: str, expected: bool) -> None:
    assert is_action_type(name) is expected
    assert accepts_policies(f'permit(principal, action == {name or "x"}::"a", resource);') is expected
