"""`decimal`: the parser and the comparisons, by cases, by round trip and against the Rust engine."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import disagreements
from texts import mutants

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import decimal
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import Decimal, quote

READ = {
    "0.0": 0,
    "-0.0": 0,
    "1.0": 10_000,
    "1.5": 15_000,
    "-0.5": -5_000,
    "-1.0001": -10_001,
    "0.0001": 1,
    "12.34": 123_400,
    "007.1": 71_000,
    "0" * 5_000 + "1.0": 10_000,
    "922337203685477.5807": LONG_MAX,
    "-922337203685477.5808": LONG_MIN,
}
REFUSED = [
    "", "1", "1.", ".5", ".", "-", "-.5", "--1.0", "+1.0", "1.00000", "1.0.0", "1,0", "1e1", "1_0.0", "0x1.0", "NaN",
    " 1.0", "1.0 ", "1.0\n", "\u0661.0", "1.\u0661", "\uff11.0", "1.0\0", "922337203685477.5808",
    "-922337203685477.5809", "9" * 5_000 + ".0", "1.-0", "- 1.0",
]  # fmt: skip


@pytest.mark.parametrize("text", READ, ids=lambda text: text[:30])
def test_reads(text: str) -> None:
    assert decimal.parse(text) == Decimal(READ[text])


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_refuses(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        decimal.parse(text)
    assert caught.value.kind is ErrorKind.EXTENSION
    assert len(caught.value.message) < 200


@given(st.integers(LONG_MIN, LONG_MAX))
def test_format_parses_back(units: int) -> None:
    assert decimal.parse(decimal.format(Decimal(units))) == Decimal(units)


def test_format_is_short() -> None:
    assert [decimal.format(Decimal(units)) for units in (0, 30_000, 15_000, -1, LONG_MIN)] == [
        "0.0",
        "3.0",
        "1.5",
        "-0.0001",
        "-922337203685477.5808",
    ]


def test_reads_what_the_rust_engine_reads() -> None:
    rng = random.Random(1)
    texts = [*READ, *REFUSED, *mutants(rng, READ, "0123456789.-+ eE_\u0661", 3_000)]
    texts += [f"{rng.choice(['', '-'])}92233720368547{rng.randrange(1000)}.{rng.randrange(10**5)}" for _ in range(500)]
    cases = [_case(text) for text in texts]
    assert sum(outcome == "true" for _, outcome in cases) > 500
    assert disagreements(cases) == []


def _case(text: str) -> tuple[str, str]:
    written = f"decimal({quote(text)})"
    try:
        value = decimal.parse(text)
    except EvaluationError:
        return f"{written} == {written}", "extension_error"
    return f'{written} == decimal("{decimal.format(value)}")', "true"
