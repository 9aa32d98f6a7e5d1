"""`datetime`: the parser, the calendar and the arithmetic, by cases, by round trip and against the Rust engine."""

import datetime as standard
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import disagreements
from texts import mutants

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import datetime
from pdp.cedar.ext.duration import DAY
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import Datetime, Duration, quote

READ = {
    "1970-01-01": 0,
    "1970-01-01T00:00:00Z": 0,
    "1970-01-01T00:00:00.001Z": 1,
    "1969-12-31T23:59:59.999Z": -1,
    "2000-02-29": 951_782_400_000,
    "2024-02-29T12:34:56.789Z": 1_709_210_096_789,
    "2024-10-15T11:38:02+1134": 1_728_965_042_000 - (11 * 60 + 34) * 60_000 + 27_240_000,
    "1970-01-01T00:00:00+2359": -86_340_000,
    "1970-01-01T00:00:00-2359": 86_340_000,
    "1970-01-01T00:00:00-0000": 0,
    "0000-01-01": -62_167_219_200_000,
    "0000-02-29": -62_162_121_600_000,
    "0000-01-01T00:00:00+2359": -62_167_305_540_000,
    "9999-12-31T23:59:59.999Z": 253_402_300_799_999,
    "9999-12-31T23:59:59.999-2359": 253_402_387_139_999,
}
REFUSED = [
    "", "1970", "1970-01", "1970-1-1", "70-01-01", "10000-01-01", "-0001-01-01", "+1970-01-01", "1970-00-01",
    "1970-13-01", "1970-01-00", "1970-01-32", "1970-04-31", "1970-02-29", "1900-02-29", "2100-02-29", "2024-02-30",
    "1970-01-01T", "1970-01-01Z", "1970-01-01T00:00Z", "1970-01-01T00:00:00", "1970-01-01t00:00:00Z",
    "1970-01-01T00:00:00z", "1970-01-01 00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:60Z", "2016-12-31T23:59:60Z", "1970-01-01T00:00:00.1Z", "1970-01-01T00:00:00.12Z",
    "1970-01-01T00:00:00.1234Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00,001Z", "1970-01-01T00:00:00+00:00",
    "1970-01-01T00:00:00+00", "1970-01-01T00:00:00+2400", "1970-01-01T00:00:00+0060", "1970-01-01T00:00:00.001",
    "1970-01-01T00:00:00\u22120000", " 1970-01-01", "1970-01-01 ", "1970-01-01\n", "1970-01-01T00:00:00Z\n",
    "\u0661970-01-01", "1970/01/01", "19700101", "1970-01-01T00:00:00ZZ", "1970-01-01T0:00:00Z", "1970-01-01+0000",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    assert datetime.parse(text) == Datetime(READ[text])


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_refuses(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        datetime.parse(text)
    assert caught.value.kind is ErrorKind.EXTENSION


def _check_day(day: standard.date) -> None:
    milliseconds = (day - standard.date(1970, 1, 1)).days * DAY
    assert datetime.format(Datetime(milliseconds))[:10] == day.isoformat()
    assert datetime.parse(day.isoformat()).milliseconds == milliseconds


def test_every_day_of_a_whole_cycle_of_the_calendar() -> None:
    """After 400 years the Gregorian calendar repeats itself."""
    first = standard.date(1700, 1, 1)
    for count in range(146_097):
        _check_day(first + standard.timedelta(days=count))
    assert first + standard.timedelta(days=146_097) == standard.date(2100, 1, 1)


def test_the_edges_of_every_year() -> None:
    for year in range(1, 10_000):
        march = standard.date(year, 3, 1)
        for day in (standard.date(year, 1, 1), march - standard.timedelta(days=1), march, standard.date(year, 12, 31)):
            _check_day(day)


FIRST, LAST = READ["0000-01-01"], READ["9999-12-31T23:59:59.999Z"]


@given(st.integers(FIRST, LAST) | st.sampled_from([FIRST, LAST]))
def test_format_parses_back(milliseconds: int) -> None:
    value = Datetime(milliseconds)
    assert datetime.has_text(value)
    assert datetime.parse(datetime.format(value)) == value


@pytest.mark.parametrize(
    "milliseconds, shown",
    [
        (FIRST - 1, "-0001-12-31T23:59:59.999Z"),
        (LAST + 1, "+10000-01-01T00:00:00.000Z"),
        (LONG_MAX, "+292278994-08-17T07:12:55.807Z"),
        (LONG_MIN, "-292275055-05-16T16:47:04.192Z"),
    ],
)
def test_what_no_text_expresses_is_still_shown(milliseconds: int, shown: str) -> None:
    value = Datetime(milliseconds)
    assert not datetime.has_text(value)
    assert datetime.format(value) == shown
    with pytest.raises(EvaluationError):
        datetime.parse(shown)


def test_arithmetic_overflows_as_an_extension_error() -> None:
    day_one = Datetime(LONG_MIN)
    for attempt in (
        lambda: datetime.offset(Datetime(LONG_MAX), Duration(1)),
        lambda: datetime.offset(day_one, Duration(-1)),
        lambda: datetime.duration_since(Datetime(1), day_one),
        lambda: datetime.to_date(day_one),
    ):
        with pytest.raises(EvaluationError) as caught:
            attempt()
        assert caught.value.kind is ErrorKind.EXTENSION
    assert datetime.duration_since(Datetime(-1), day_one) == Duration(LONG_MAX)


def test_date_and_time_floor() -> None:
    value = datetime.parse("1969-12-31T23:59:59.999Z")
    assert datetime.to_date(value) == datetime.parse("1969-12-31")
    assert datetime.to_time(value) == Duration(DAY - 1)
    assert datetime.to_time(Datetime(LONG_MIN)) == Duration(LONG_MIN % DAY)


def test_reads_what_the_rust_engine_reads() -> None:
    rng = random.Random(4)
    texts = [*READ, *REFUSED, *mutants(rng, [*READ, *REFUSED], "0123456789-+:.TZtz \u0661", 4_000)]
    texts += [f"{rng.randrange(10_000):04d}-{rng.randrange(14):02d}-{rng.randrange(33):02d}" for _ in range(1_500)]
    for _ in range(1_500):
        clock = f"{rng.randrange(26):02d}:{rng.randrange(62):02d}:{rng.randrange(62):02d}"
        zone = rng.choice(["Z", f"{rng.choice('+-')}{rng.randrange(25):02d}{rng.randrange(61):02d}"])
        texts.append(f"{rng.randrange(10_000):04d}-01-31T{clock}{rng.choice(['', '.042'])}{zone}")
    cases = [_case(text) for text in texts]
    assert sum(outcome == "true" for _, outcome in cases) > 1_000
    assert disagreements(cases) == []


def _case(text: str) -> tuple[str, str]:
    written = f"datetime({quote(text)})"
    try:
        value = datetime.parse(text)
    except EvaluationError:
        return f"{written} == {written}", "extension_error"
    return f'{written}.durationSince(datetime("1970-01-01")).toMilliseconds() == {value.milliseconds}', "true"
