"""`decimal`: a number with up to four digits after the point (`Cedar/Spec/Ext/Decimal.lean`)."""

import re
from typing import Final

from pdp.cedar.ext.reading import bad_text, fits_long, natural
from pdp.cedar.values import Decimal

_FORM: Final = re.compile(r"(-?)([0-9]+)\.([0-9]{1,4})")
_SCALE: Final = 10_000


def parse(text: str) -> Decimal:
    """The value of `decimal(text)`. Raises EvaluationError (extension error)."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise bad_text(text, "decimal", "expected digits, a point and one to four digits")
    sign, whole, fraction = match.groups()
    size = natural(whole) * _SCALE + int(fraction.ljust(4, "0"))
    # The sign belongs to the whole number: `-0.5` is negative although its integer part is 0.
    units = -size if sign else size
    if not fits_long(units):
        raise bad_text(text, "decimal", "expected a number from -922337203685477.5808 to 922337203685477.5807")
    return Decimal(units)


def format(value: Decimal) -> str:
    """The shortest text that `parse` reads as this value: `1.5`, `-0.0001`, `3.0`."""
    return str(value)


def less_than(left: Decimal, right: Decimal) -> bool:
    """`left.lessThan(right)`."""
    return left.units < right.units


def less_than_or_equal(left: Decimal, right: Decimal) -> bool:
    """`left.lessThanOrEqual(right)`."""
    return left.units <= right.units


def greater_than(left: Decimal, right: Decimal) -> bool:
    """`left.greaterThan(right)`."""
    return left.units > right.units


def greater_than_or_equal(left: Decimal, right: Decimal) -> bool:
    """`left.greaterThanOrEqual(right)`."""
    return left.units >= right.units
