"""What the four extension parsers share: numbers without Python's surprises, and the error for a bad text.

`int()` accepts digits of any script, underscores and white space, and refuses more than 4,300 digits with a ValueError
of its own. The parsers therefore match ASCII digits first and convert them here.
"""

from typing import Final

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import brief

_LONG_DIGITS: Final = len(str(LONG_MAX))


def natural(digits: str) -> int:
    """The number that ASCII digits spell, leading zeros allowed; any number beyond 64 bits reads as `10**19`."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= _LONG_DIGITS else 10**_LONG_DIGITS


def fits_long(number: int) -> bool:
    """Whether a number is in the range of Long."""
    return LONG_MIN <= number <= LONG_MAX


def bad_text(text: str, kind: str, rule: str) -> EvaluationError:
    """The error for a text that is not a `kind`; `rule` says what it should be. A long text is cut off."""
    return EvaluationError(ErrorKind.EXTENSION, f"{brief(text)} is not a valid {kind}: {rule}")
