"""Matching of `like` patterns: against a definition by regular expression, exhaustively, and in time."""

import itertools
import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import disagreements

from pdp.cedar.nodes import ANY, Like, Literal, Pattern, Wildcard
from pdp.cedar.text.printer import print_expression
from pdp.cedar.wildcard import matches


def by_definition(pattern: Pattern, text: str) -> bool:
    parts = [".*" if isinstance(part, Wildcard) else re.escape(part) for part in pattern]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def normal(parts: tuple[object, ...]) -> Pattern:
    """Literal runs joined, wildcards side by side made one: what a `Pattern` is."""
    groups = itertools.groupby(parts, lambda part: part is ANY)
    return tuple(ANY if wild else "".join(map(str, run)) for wild, run in groups)


PATTERNS: Final = {normal(parts) for size in range(6) for parts in itertools.product(("a", "b", ANY), repeat=size)}
TEXTS: Final = ["".join(chars) for size in range(7) for chars in itertools.product("ab", repeat=size)]


def test_every_short_pattern_on_every_short_text() -> None:
    assert len(PATTERNS) > 150
    for pattern in PATTERNS:
        expression = re.compile("".join(".*" if isinstance(part, Wildcard) else part for part in pattern))
        for text in TEXTS:
            assert matches(pattern, text) is (expression.fullmatch(text) is not None), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ((), "", True), ((), "a", False), ((ANY,), "", True), ((ANY,), "\n\0\U0001f600", True),
        (("a",), "A", False), (("*",), "*", True), (("*",), "a", False), (("a*b",), "axb", False),
        (("\u00e9",), "e\u0301", False), (("e", ANY), "e\u0301", True), ((ANY, "\ufe0f"), "\u2764\ufe0f", True),
        (("\U0001f600",), "\U0001f600", True), (("a", ANY, "a"), "a", False), (("ab", ANY, "bc"), "abc", False),
        (("ab", ANY, "bc"), "abbc", True), ((ANY, "aa", ANY, "aa", ANY), "aaa", False), ((ANY, "."), "a", False),
        ((ANY, "ab"), "aab", True), (("a", ANY, "b", ANY, "c"), "abcbc", True), ((ANY, "\n", ANY), "a\nb", True),
    ],
)  # fmt: skip
def test_cases(pattern: Pattern, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_the_rust_engine_matches_the_same() -> None:
    cases = []
    for pattern in sorted(PATTERNS, key=repr):
        for text in TEXTS[:31]:
            like = Like(
                Literal(text.replace("b", "*")), tuple(p if p is ANY else str(p).replace("b", "*") for p in pattern)
            )
            outcome = "true" if matches(pattern, text) else "false"
            cases.append((print_expression(like), outcome))
    assert len(cases) > 5_000
    assert disagreements(cases) == []


@given(st.lists(st.sampled_from(["a", "b", ".", "\n", ANY])), st.text(st.sampled_from("ab.\n"), max_size=30))
def test_longer_patterns(parts: list[str | Wildcard], text: str) -> None:
    pattern = normal(tuple(parts))
    assert matches(pattern, text) is by_definition(pattern, text)


def test_no_pattern_takes_exponential_time() -> None:
    stars = normal(tuple(itertools.chain.from_iterable(("a", ANY) for _ in range(500))))
    assert matches(stars, "a" * 20_000)
    assert not matches((*stars, "b"), "a" * 20_000)
    assert not matches((ANY, "a" * 1_000 + "b", ANY), "a" * 20_000)
