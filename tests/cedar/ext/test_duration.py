"""`duration`: the parser and the conversions, by cases, by round trip and against the Rust engine."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import disagreements
from texts import mutants

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import duration
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import Duration, quote

READ = {
    "0ms": 0,
    "-0s": 0,
    "1ms": 1,
    "1s": 1_000,
    "1m": 60_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
    "1d2h3m4s5ms": 93_784_005,
    "-1d2h3m4s5ms": -93_784_005,
    "5m1ms": 300_001,
    "1d1ms": 86_400_001,
    "90m": 5_400_000,
    "00007s": 7_000,
    "0" * 5_000 + "1ms": 1,
    "9223372036854775807ms": LONG_MAX,
    "-9223372036854775808ms": LONG_MIN,
    "106751991167d7h12m55s807ms": LONG_MAX,
    "-106751991167d7h12m55s808ms": LONG_MIN,
}
REFUSED = [
    "", "-", "1", "ms", "d", "1x", "1D", "1 d", " 1d", "1d ", "1d\n", "+1d", "--1d", "1.5s", "1h1d", "1m1h", "1ms1s",
    "1d1d", "1ms1ms", "1d-1h", "-", "1s ms", "1s1", "\u0661d", "1_0d", "1dh", "d1h", "1e3ms", "1us", "1w",
    "9223372036854775808ms", "-9223372036854775809ms", "106751991168d", "106751991167d7h12m55s808ms",
    "9" * 5_000 + "d",
]  # fmt: skip


@pytest.mark.parametrize("text", READ, ids=lambda text: text[:30])
def test_reads(text: str) -> None:
    assert duration.parse(text) == Duration(READ[text])


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_refuses(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        duration.parse(text)
    assert caught.value.kind is ErrorKind.EXTENSION


@given(st.integers(LONG_MIN, LONG_MAX) | st.integers(-(10**9), 10**9) | st.sampled_from([LONG_MIN, LONG_MAX, 0]))
def test_format_parses_back(milliseconds: int) -> None:
    value = Duration(milliseconds)
    assert duration.parse(duration.format(value)) == value


def test_format_uses_the_largest_units() -> None:
    assert duration.format(Duration(93_784_005)) == "1d2h3m4s5ms"
    assert duration.format(Duration(-1_500)) == "-1s500ms"
    assert duration.format(Duration(0)) == "0ms"


def test_conversions_truncate_toward_zero() -> None:
    value = Duration(-1_500)
    assert duration.to_milliseconds(value) == -1_500
    assert duration.to_seconds(value) == -1
    assert (duration.to_minutes(value), duration.to_hours(value), duration.to_days(value)) == (0, 0, 0)
    assert duration.to_seconds(Duration(LONG_MIN)) == -9_223_372_036_854_775
    assert duration.to_days(Duration(-duration.DAY)) == -1


def test_reads_what_the_rust_engine_reads() -> None:
    rng = random.Random(3)
    texts = [*READ, *REFUSED, *mutants(rng, READ, "0123456789dhmsms- +.D\u0661", 4_000)]
    texts += [
        f"{rng.choice(['', '-'])}{rng.randint(106751991166, 106751991168)}d{rng.randint(0, 30)}h" for _ in range(300)
    ]
    cases = [_case(text) for text in texts]
    assert sum(outcome == "true" for _, outcome in cases) > 500
    assert disagreements(cases) == []


def _case(text: str) -> tuple[str, str]:
    written = f"duration({quote(text)})"
    try:
        value = duration.parse(text)
    except EvaluationError:
        return f"{written} == {written}", "extension_error"
    return f"{written}.toMilliseconds() == {value.milliseconds}", "true"
