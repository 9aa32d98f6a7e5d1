"""Whatever the input, the readers give a value or an error of this family with a place: nothing else escapes them.

100,000 inputs of a fixed seed in every run, and Hypothesis beside them; then the inputs that fill stacks and memory.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.limits import MAX_EXPRESSION_DEPTH, MAX_POLICY_TEXT
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies, parse_policies_reporting
from pdp.cedar.wire.entities import parse_entities

INPUTS: Final = 100_000

POLICIES: Final = r"""
@id("a") permit(principal == User::"alice", action in [Action::"read", NS::Action::"b"], resource is A in B::"c")
when { context.ip.isInRange(ip("10.0.0.0/8")) && !(principal has a.b) || -5 * context["x y"] <= 7 }
unless { if resource.owner like "a*\*\u{41}" then [1, {a: true}].contains(true) else decimal("1.0") == context.d };
// comment
forbid(principal in ?principal, action, resource);
"""
ENTITIES: Final = r"""
[{"uid": {"type": "User", "id": "alice"}, "parents": [{"type": "G", "id": "g"}], "tags": {"a": -1},
  "attrs": {"age": 7, "ip": {"__extn": {"fn": "ip", "arg": "::1"}}, "set": [1, true, "\ud83d\ude00"],
            "boss": {"__entity": {"type": "A::B", "id": ""}}}}]
"""

READERS: Final[dict[str, tuple[Callable[[Source], object], str]]] = {
    "policies": (parse_policies, POLICIES),
    "entities": (parse_entities, ENTITIES),
}


def outcome(read: Callable[[Source], object], text: str) -> str:
    """`value` or `error`; whatever else is raised is the test's failure."""
    source = Source("input", text)
    try:
        read(source)
    except CedarError as error:
        if error.source is not source or not error.render().encode():
            raise
        return "error"
    return "value"


def inputs(seed: str, count: int) -> Iterator[str]:
    """Random bytes read as Latin-1 and as UTF-8, and a good text with a few bytes or pieces of it changed."""
    rng = random.Random(20_241_124)
    pieces = [seed, *seed.splitlines(keepends=True)]
    for number in range(count):
        mutated = _mutant(rng, rng.choice(pieces).encode())
        encoded = mutated if number % 4 < 2 else rng.randbytes(rng.randrange(60))
        yield encoded.decode("latin-1") if number % 2 else encoded.decode(errors="replace")


def _mutant(rng: random.Random, text: bytes) -> bytes:
    changed = bytearray(text)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, to = rng.randrange(len(changed) + 1), rng.randrange(len(changed) + 1)
        new = (rng.randbytes(1), b"", bytes(changed[to : to + 9]), rng.randbytes(3), b'"')[rng.randrange(5)]
        changed[at : at + rng.choice((0, 1, 9))] = new
    return bytes(changed)


@pytest.mark.parametrize("reader", READERS)
def test_random_bytes_give_a_value_or_an_error(reader: str) -> None:
    read, seed = READERS[reader]
    outcomes = Counter(outcome(read, text) for text in inputs(seed, INPUTS))
    assert outcomes["error"] > INPUTS // 2
    assert outcomes["value"] > 10


def test_reading_on_behind_faults_raises_nothing_and_finds_the_same() -> None:
    for text in inputs(POLICIES, INPUTS // 5):
        source = Source("input", text)
        policies, faults = parse_policies_reporting(source)
        if faults:
            with pytest.raises(ParseError) as caught:
                parse_policies(source)
            assert faults[0].render() == caught.value.render()
        else:
            assert parse_policies(source) == policies


@pytest.mark.parametrize("reader", READERS)
def test_any_unicode_gives_a_value_or_an_error(reader: str) -> None:
    read, seed = READERS[reader]

    @given(st.text(), st.integers(0, len(seed)), st.integers(0, 10))
    def check(text: str, at: int, removed: int) -> None:
        assert outcome(read, text) in ("value", "error")
        assert outcome(read, seed[:at] + text + seed[at + removed :]) in ("value", "error")

    check()


@pytest.mark.parametrize("reader", READERS)
def test_every_beginning_of_a_good_text_gives_a_value_or_an_error(reader: str) -> None:
    read, seed = READERS[reader]
    for end in range(len(seed)):
        outcome(read, seed[:end])
        for char in ("\0", '"', "\ud800", "\U0001f600", "("):
            outcome(read, seed[:end] + char)


def condition(text: str) -> str:
    return f"permit(principal, action, resource) when {{ {text} }};"


MEGABYTE: Final = 1_000_000
LARGE_POLICIES: Final[dict[str, tuple[Callable[[], str], str]]] = {
    "a string of 10 MB": (lambda: condition(f'context.a == "{"x" * 10 * MEGABYTE}"'), "value"),
    "a string of 10 MB of escapes": (
        lambda: condition('context.a == "' + r"\n\u{41}" * MEGABYTE + '"'),
        "value",
    ),
    "a pattern of a million stars": (lambda: condition(f'context.a like "{"*" * MEGABYTE}"'), "value"),
    "an identifier of 10 MB": (lambda: condition(f"context.{'a' * 10 * MEGABYTE}"), "value"),
    "a comment of 10 MB": (lambda: f"//{' ' * 10 * MEGABYTE}", "value"),
    "a type of 100,000 parts": (lambda: condition(f"principal is {'::'.join(['A'] * 100_000)}"), "value"),
    "a chain of 100,000 &&": (lambda: condition(" && ".join(["context.a"] * 100_000)), "value"),
    "a path of 100,000 names": (lambda: condition(f"context has {'.'.join(['a'] * 100_000)}"), "value"),
    "a list of 100,000 actions": (
        lambda: "permit(principal, action in [" + 'Action::"a", ' * 100_000 + "], resource);",
        "value",
    ),
    "10,000 annotations": (
        lambda: "".join(f"@a{number}" for number in range(10_000)) + "permit(principal, action, resource);",
        "value",
    ),
    "10,000 clauses": (lambda: f"permit(principal, action, resource) {'when { true } ' * 10_000};", "value"),
    "10,000 nested parentheses": (lambda: condition("(" * 10_000 + "true" + ")" * 10_000), "nested more than"),
    "10,000 open parentheses": (lambda: condition("(" * 10_000), "nested more than"),
    "10,000 nested ifs": (lambda: condition("if " * 10_000 + "true"), "nested more than"),
    "10,000 signs": (lambda: condition("!" * 10_000 + "true"), "more than 4 `!` in a row"),
    "a chain of 10,000 +": (lambda: condition("1" + " + 1" * 10_000), "nested more than"),
    "a chain of 10,000 attributes": (lambda: condition("context" + ".a" * 10_000), "nested more than"),
    "a number of a million digits": (lambda: condition("9" * MEGABYTE), "out of range"),
    "a text beyond the limit": (lambda: " " * (MAX_POLICY_TEXT + 1), f"the limit is {MAX_POLICY_TEXT}"),
}


@pytest.mark.parametrize("name", LARGE_POLICIES)
def test_a_large_policy_text_is_read_or_refused_by_the_name_of_a_limit(name: str) -> None:
    make, expected = LARGE_POLICIES[name]
    answer = _answer(parse_policies, make())
    assert expected in answer
    assert len(answer) < 1_000, "a message does not grow with the input"
    assert MAX_EXPRESSION_DEPTH < 10_000


def entity(attrs: str) -> str:
    return f'[{{"uid": {{"type": "A", "id": "b"}}, "parents": [], "attrs": {attrs}}}]'


LARGE_ENTITIES: Final[dict[str, tuple[Callable[[], str], str]]] = {
    "a string of 10 MB": (lambda: entity(f'{{"a": "{"x" * 10 * MEGABYTE}"}}'), "value"),
    "a set of 100,000": (lambda: entity(json.dumps({"a": list(range(100_000))})), "value"),
    "100,000 attributes": (lambda: entity(json.dumps({f"a{number}": 1 for number in range(100_000)})), "value"),
    "the same entity 10,000 times": (lambda: "[" + ",".join([entity("{}")[1:-1]] * 10_000) + "]", "value"),
    "10,000 nested sets": (lambda: entity(f'{{"a": {"[" * 10_000 + "]" * 10_000}}}'), "nested too deeply"),
    "a million open arrays": (lambda: "[" * MEGABYTE, "nested too deeply"),
    "a million open objects": (lambda: '{"a":' * MEGABYTE, "nested too deeply"),
    "a number of a million digits": (lambda: entity(f'{{"a": {"9" * MEGABYTE}}}'), "is not a Long"),
    "a fault at the end of 10 MB": (
        lambda: entity(f'{{"a": "{"x" * 10 * MEGABYTE}", "b": null}}'),
        "is not a Cedar value",
    ),
    "a key of 10 MB twice": (
        lambda: entity(f'{{"{"k" * 10 * MEGABYTE}": 1, "{"k" * 10 * MEGABYTE}": 2}}'),
        "duplicate key",
    ),
}


@pytest.mark.parametrize("name", LARGE_ENTITIES)
def test_a_large_entity_document_is_read_or_refused_by_the_name_of_a_limit(name: str) -> None:
    make, expected = LARGE_ENTITIES[name]
    answer = _answer(parse_entities, make())
    assert expected in answer
    assert len(answer) < 1_000, "a message does not grow with the input"


def _answer(read: Callable[[Source], object], text: str) -> str:
    try:
        read(Source("input", text))
    except CedarError as error:
        return error.render()
    return "value"
