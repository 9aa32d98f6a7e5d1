"""`datetime`: an instant in milliseconds since 1970, UTC (`Cedar/Spec/Ext/Datetime.lean`).

Integer arithmetic on the proleptic Gregorian calendar: Python's `datetime` has neither year 0 nor year 10000, and an
offset may carry a value outside both.
"""

import re
from typing import Final

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext.duration import DAY, HOUR, MINUTE, SECOND
from pdp.cedar.ext.reading import bad_text, fits_long
from pdp.cedar.values import Datetime, Duration

_FORM: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:Z|([+-])([0-9]{2})([0-9]{2})))?"
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_IN_400_YEARS: Final = 146_097


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _month_days(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _MONTH_DAYS[month - 1]


def _days_before_year(year: int) -> int:
    """Days from 0000-01-01 to the first day of a year; negative before year 0."""
    leap_days = (year + 3) // 4 - (year + 99) // 100 + (year + 399) // 400
    return year * 365 + leap_days


_EPOCH: Final = _days_before_year(1970)
_FIRST: Final = (_days_before_year(0) - _EPOCH) * DAY
_END: Final = (_days_before_year(10_000) - _EPOCH) * DAY


def parse(text: str) -> Datetime:
    """The value of `datetime(text)`. Raises EvaluationError (extension error)."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise bad_text(text, "datetime", "expected `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss[.SSS](Z|+hhmm|-hhmm)`")
    year, month, day = (int(digits) for digits in match.group(1, 2, 3))
    if not 1 <= month <= 12 or not 1 <= day <= _month_days(year, month):
        raise bad_text(text, "datetime", "there is no such day")
    hour, minute, second, millisecond, offset_hour, offset_minute = (
        int(digits or "0") for digits in match.group(4, 5, 6, 7, 9, 10)
    )
    if hour > 23 or minute > 59 or second > 59:
        raise bad_text(text, "datetime", "expected a time from 00:00:00 to 23:59:59")
    if offset_hour > 23 or offset_minute > 59:
        raise bad_text(text, "datetime", "expected an offset of at most 23 hours and 59 minutes")
    days = _days_before_year(year) + sum(_month_days(year, earlier) for earlier in range(1, month)) + day - 1
    local = (days - _EPOCH) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millisecond
    offset = offset_hour * HOUR + offset_minute * MINUTE
    return Datetime(local + offset if match[8] == "-" else local - offset)


def has_text(value: Datetime) -> bool:
    """Whether `format` gives a text that `parse` reads back: the years 0000 to 9999, UTC.

    A value beyond them is only reached through `offset`, and only that can write it down.
    """
    return _FIRST <= value.milliseconds < _END


def format(value: Datetime) -> str:
    """`YYYY-MM-DDThh:mm:ss.SSSZ`, which `parse` reads back.

    Outside the years 0000 to 9999 (`has_text` is false) no constructor text exists; the result is then ISO 8601's
    expanded form with a sign, such as `+10000-01-01T00:00:00.000Z`, for people only: `parse` refuses it.
    """
    days, rest = divmod(value.milliseconds, DAY)
    year, month, day = _civil(days + _EPOCH)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    second, millisecond = divmod(rest, SECOND)
    shown = f"{year:04d}" if has_text(value) else f"{year:+05d}"
    return f"{shown}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{millisecond:03d}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of a count of days since 0000-01-01."""
    year = days * 400 // _DAYS_IN_400_YEARS
    # The mean length of a year is off by a few days within a cycle: the estimate is right or one too late.
    while _days_before_year(year) > days:
        year -= 1
    while _days_before_year(year + 1) <= days:
        year += 1
    day = days - _days_before_year(year)
    month = 1
    while day >= _month_days(year, month):
        day -= _month_days(year, month)
        month += 1
    return year, month, day + 1


def offset(value: Datetime, duration: Duration) -> Datetime:
    """`value.offset(duration)`. Raises EvaluationError (extension error) on overflow."""
    return Datetime(_checked(value.milliseconds + duration.milliseconds, "offset"))


def duration_since(value: Datetime, other: Datetime) -> Duration:
    """`value.durationSince(other)`. Raises EvaluationError (extension error) on overflow."""
    return Duration(_checked(value.milliseconds - other.milliseconds, "durationSince"))


def to_date(value: Datetime) -> Datetime:
    """`value.toDate()`: the last midnight, UTC. Raises EvaluationError on overflow (the first day of the range)."""
    return Datetime(_checked(value.milliseconds // DAY * DAY, "toDate"))


def to_time(value: Datetime) -> Duration:
    """`value.toTime()`: what has passed since the last midnight, UTC; never negative."""
    return Duration(value.milliseconds % DAY)


def _checked(milliseconds: int, function: str) -> int:
    if fits_long(milliseconds):
        return milliseconds
    raise EvaluationError(ErrorKind.EXTENSION, f"overflow in `{function}`: the result does not fit 64 bits")
