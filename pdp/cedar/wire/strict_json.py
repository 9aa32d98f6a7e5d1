"""JSON read strictly, with a place for every refusal (RFC 8259; Cedar JSON format).

The standard decoder does the work, with hooks for what it would let pass: a duplicate key, a number that is not a
64-bit integer, `-0`, NaN. It says no place for those, and a lone surrogate or a depth is only seen afterwards; so when
something is wrong the text is scanned once more, slowly, for the first fault. A good document pays nothing for that.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn, TypeAlias

from pdp.cedar.errors import CedarError, JsonError
from pdp.cedar.limits import MAX_JSON_DEPTH, MAX_JSON_TEXT
from pdp.cedar.source import Source, Span
from pdp.cedar.wire.scan import find_fault, find_path, find_surrogate, is_long

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
Path: TypeAlias = tuple[str | int, ...]
"""The way to a value inside a document: keys of objects and indices of arrays."""


class FormError(JsonError):
    """The value at `path` does not have the documented form. `place` gives it its place in a text."""

    def __init__(self, message: str, path: Path, *, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.path = path


class _RefusedError(Exception):
    """A hook has met what the project does not read; the scan will say what and where."""


def parse_json(source: Source) -> Json:
    """The value of a JSON text. Raises JsonError, always with a place.

    Refused beyond the grammar: a key twice in one object, a number that is not an integer of 64 bits (`1.0`, `1e2`,
    `-0`, NaN), an escaped lone surrogate, more than MAX_JSON_DEPTH levels, more than MAX_JSON_TEXT characters.
    """
    text = source.text
    if len(text) > MAX_JSON_TEXT:
        raise _refusal(source, Span(0, 0), "the document is too long", f"at most {MAX_JSON_TEXT} characters are read")
    try:
        value: Json = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # The decoder reads an object before its hook sees it: a hook's fault may stand before this one, and does not
        # matter, since either is a reason to refuse.
        raise _syntax_error(source, error.pos, error.msg) from None
    except (_RefusedError, RecursionError):
        raise _located_fault(source) from None
    if _is_too_deep(value, text):
        raise _located_fault(source)
    if (span := find_surrogate(text)) is not None:
        raise _refusal(source, span, "lone surrogate in a string", "write a pair of surrogates, or the character")
    return value


def locate(source: Source, path: Sequence[str | int]) -> Span:
    """Where the value at a path stands in a JSON text; of a path that leads nowhere, the last value on the way."""
    return find_path(source.text, path)


def place(error: CedarError, source: Source, path: Sequence[str | int] = ()) -> None:
    """Give an error that has no source its place. A FormError knows its path; any other is placed at `path`."""
    if error.source is None:
        error.source = source
        error.span = locate(source, error.path if isinstance(error, FormError) else path)


@contextmanager
def located(source: Source, path: Sequence[str | int] = ()) -> Iterator[None]:
    """Errors of the language that leave this block have a place in `source` (see `place`)."""
    try:
        yield
    except CedarError as error:
        place(error, source, path)
        raise


def _long(number: str) -> int:
    if (len(number) > 18 or number == "-0") and not is_long(number):
        raise _RefusedError
    return int(number)


def _refuse(_: str) -> NoReturn:
    raise _RefusedError


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _RefusedError
    return fields


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_long, parse_float=_refuse, parse_constant=_refuse
)

_CONTAINERS: Final = (dict, list)


def _is_too_deep(value: Json, text: str) -> bool:
    """Whether containers are nested to MAX_JSON_DEPTH: then whatever they hold would be one level too many."""
    if text.count("[") + text.count("{") < MAX_JSON_DEPTH:
        return False
    # Level by level and not by recursion. The decoder itself stops at about 1,000 levels with a RecursionError.
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(MAX_JSON_DEPTH - 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, _CONTAINERS)
        ]
        if not level:
            return False
    return True


def _located_fault(source: Source) -> JsonError:
    fault = find_fault(source.text)
    if fault is None:
        # The caller's own stack was nearly used up; nothing is wrong with the text as far as it was read.
        return _refusal(source, Span(0, 0), "nested too deeply", "call the reader from a shallower stack")
    return _refusal(source, fault.span, fault.message, fault.help)


_SYNTAX: Final[Mapping[str, tuple[str, str | None]]] = {
    "Expecting ',' delimiter": ("expected `,` or the end of this array or object", None),
    "Expecting ':' delimiter": ("expected `:` after the key", None),
    "Expecting property name": ("expected a key in double quotes", "a trailing comma is not allowed"),
    "Illegal trailing comma": ("trailing comma", "remove it"),
    "Unterminated string": ("this string has no end", 'close it with `"`'),
    "Invalid control character": ("control character in a string", "write it as an escape, such as `\\n`"),
    "Invalid \\": ("invalid escape in a string", 'escapes are `\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX`'),
    "Extra data": ("unexpected text after the end of the document", None),
}
"""The decoder's messages, by how they begin, in this project's words."""


def _syntax_error(source: Source, offset: int, message: str) -> JsonError:
    span = Span(offset, min(offset + 1, len(source.text)))
    for start, (words, help) in _SYNTAX.items():
        if message.startswith(start):
            return _refusal(source, span, words, help)
    if source.text.startswith("\ufeff"):
        return _refusal(source, span, "the document starts with a byte order mark", "save it as UTF-8 without one")
    if offset >= len(source.text):
        return _refusal(source, span, "unexpected end of the document", None)
    trailing = source.text[offset] in "]}"
    return _refusal(source, span, "expected a JSON value", "a trailing comma is not allowed" if trailing else None)


def _refusal(source: Source, span: Span, message: str, help: str | None) -> JsonError:
    return JsonError(message, span=span, source=source, help=help)
