"""Bodies in JSON, read as I-JSON (RFC 7493): UTF-8, no name twice in an object, no half of a surrogate pair, numbers
within a double. Total: any bytes give an object or a MessageError.

What is whole is an `int`, however it was written (`1`, `1.0`, `1e0`); a fraction stays a `float`, for which Cedar has
no value: whoever needs a Cedar value of one refuses it there. Cedar's own JSON format is stricter (`wire.strict_json`)
and would refuse a fraction in a part of the body that nobody reads.
"""

import json
from math import isfinite
from typing import Final, NoReturn, TypeAlias

from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.wire.scan import find_surrogate
from pdp.transport.errors import MessageError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

MAX_DEPTH: Final = 64
"""Levels of nesting in a body. Below Cedar's own bound, so that every part of a body can become a value."""

_EXACT: Final = 2**53
"""Up to here a double holds every whole number."""

_LONG_DIGITS: Final = len(str(LONG_MIN))


def parse_object(data: bytes) -> JsonObject:
    """The object in the bytes. Raises MessageError."""
    if not data:
        raise MessageError("the body is empty", help="send a JSON object")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageError("the body is not UTF-8") from None
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MessageError(f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise MessageError("the body is not a JSON object")
    _refuse_depth(value, text)
    if find_surrogate(text) is not None:
        raise MessageError("a string in the body holds half of a surrogate pair")
    return value


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MessageError("an object in the body has one name twice")
    return fields


def _integer(text: str) -> int | float:
    # Longer texts are not read as integers: that costs the square of their length.
    if len(text) <= _LONG_DIGITS and LONG_MIN <= (number := int(text)) <= LONG_MAX:
        return number
    return _fraction(text)


def _fraction(text: str) -> int | float:
    number = float(text)
    if not isfinite(number):
        raise MessageError("a number in the body is larger than a double can be")
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _constant(_: str) -> NoReturn:
    raise MessageError("the body holds NaN or Infinity, which are not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _refuse_depth(value: JsonObject, text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    # Level by level and not by recursion: the decoder lets more levels through than a frame each can be spent on.
    level: list[JsonValue] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> MessageError:
    return MessageError(f"the body is nested more than {MAX_DEPTH} levels deep")
