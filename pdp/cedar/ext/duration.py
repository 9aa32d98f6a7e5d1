"""`duration`: a signed span of time in milliseconds (`Cedar/Spec/Ext/Datetime.lean`)."""

import re
from typing import Final

from pdp.cedar.ext.reading import bad_text, fits_long, natural
from pdp.cedar.values import Duration

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_UNITS: Final = (("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1))
_FORM: Final = re.compile("(-?)" + "".join(f"(?:([0-9]+){name})?" for name, _ in _UNITS))


def parse(text: str) -> Duration:
    """The value of `duration(text)`. Raises EvaluationError (extension error)."""
    match = _FORM.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise bad_text(text, "duration", "expected whole numbers with the units d, h, m, s, ms, in this order")
    sign, *counts = match.groups()
    size = sum(natural(count) * unit for count, (_, unit) in zip(counts, _UNITS, strict=True) if count)
    milliseconds = -size if sign else size
    if not fits_long(milliseconds):
        raise bad_text(text, "duration", "the sum does not fit 64 bits of milliseconds")
    return Duration(milliseconds)


def format(value: Duration) -> str:
    """The text that `parse` reads as this value, in the largest units: `1d2h`, `-1s500ms`, `0ms`."""
    rest = abs(value.milliseconds)
    parts = []
    for name, unit in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return ("-" if value.milliseconds < 0 else "") + ("".join(parts) or "0ms")


def to_milliseconds(value: Duration) -> int:
    """`value.toMilliseconds()`."""
    return value.milliseconds


def to_seconds(value: Duration) -> int:
    """`value.toSeconds()`, truncated toward zero."""
    return _truncate(value, SECOND)


def to_minutes(value: Duration) -> int:
    """`value.toMinutes()`, truncated toward zero."""
    return _truncate(value, MINUTE)


def to_hours(value: Duration) -> int:
    """`value.toHours()`, truncated toward zero."""
    return _truncate(value, HOUR)


def to_days(value: Duration) -> int:
    """`value.toDays()`, truncated toward zero."""
    return _truncate(value, DAY)


def _truncate(value: Duration, unit: int) -> int:
    # Python's `//` floors: -1500 ms would be -2 s.
    count = abs(value.milliseconds) // unit
    return -count if value.milliseconds < 0 else count
