"""Finds places in a JSON text: of a value by its path, of what the standard decoder lets pass.

Only used once something is wrong. The text up to the place is known to follow the JSON grammar (the decoder has read
it), so the scan looks at tokens and nesting and checks no grammar of its own.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH
from pdp.cedar.source import Span
from pdp.cedar.values import brief

_TOKEN: Final = re.compile(r'[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^ \t\n\r\[\]{},:"]+)', re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_WORDS: Final = frozenset({"true", "false", "null"})


class Fault(NamedTuple):
    """What is wrong, where, and what to do about it."""

    message: str
    span: Span
    help: str


class _Token(NamedTuple):
    text: str
    span: Span


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        yield _Token(match[1], Span(*match.span(1)))


def _unquote(token: str) -> str:
    text: str = json.loads(token)
    return text


def is_long(number: str) -> bool:
    """Whether the text of a JSON number is a 64-bit integer. `-0` is not: there is no such integer."""
    return _INTEGER.fullmatch(number) is not None and number != "-0" and LONG_MIN <= int(number) <= LONG_MAX


def find_fault(text: str) -> Fault | None:
    """The first duplicate key, number that is not a Long, or value nested too deeply."""
    # One entry for each open container: the keys seen so far, or None for an array.
    open_keys: list[set[str] | None] = []
    last_string: _Token | None = None
    for token in _tokens(text):
        mark = token.text
        if mark == ":" and last_string is not None and open_keys:
            fault = _note_key(open_keys[-1], last_string)
            if fault is not None:
                return fault
        last_string = token if mark[0] == '"' else None
        if mark in "[{":
            open_keys.append(set() if mark == "{" else None)
            if len(open_keys) >= MAX_JSON_DEPTH:
                return Fault("nested too deeply", token.span, f"at most {MAX_JSON_DEPTH} levels of nesting are read")
        elif mark in "]}" and open_keys:
            open_keys.pop()
        elif mark[0] not in '",:]}' and mark not in _WORDS and not is_long(mark):
            return Fault(f"`{mark[:40]}` is not a Long", token.span, f"write an integer from {LONG_MIN} to {LONG_MAX}")
    return None


def _note_key(keys: set[str] | None, token: _Token) -> Fault | None:
    if keys is None:
        return None
    name = _unquote(token.text)
    if name in keys:
        return Fault(f"duplicate key {brief(name)}", token.span, "keep one of the two entries")
    keys.add(name)
    return None


def find_surrogate(text: str) -> Span | None:
    r"""The first surrogate that is not half of a pair: an escape such as `\ud800`, or the bare code point.

    The text must be valid JSON: backslashes then stand in strings only, and escapes can be read one after the other.
    """
    if not text.isascii() and (bare := _SURROGATE.search(text)) is not None:
        return Span(*bare.span())
    if "\\ud" not in text and "\\uD" not in text:
        return None
    for match in _ESCAPE.finditer(text):
        if match[1] is not None:
            return Span(*match.span())
    return None


def find_path(text: str, path: Sequence[str | int]) -> Span:
    """The value at a path of keys and indices; of a path that leads nowhere, the last value on the way."""
    tokens = _tokens(text)
    token = next(tokens, None)
    for step in path:
        if token is None or token.text not in "[{":
            break
        found = _find_key(tokens, step) if token.text == "{" else _find_index(tokens, step)
        if found is None:
            return token.span
        token = found
    if token is None:
        return Span(0, 0)
    return Span(token.span.start, _end(tokens, token))


def _find_key(tokens: Iterator[_Token], key: str | int) -> _Token | None:
    """The first token of the value under a key of the object just opened."""
    for name in tokens:
        if name.text == "}":
            return None
        next(tokens, None)  # the colon
        value = next(tokens, None)
        if value is None or _unquote(name.text) == key:
            return value
        _end(tokens, value)
        if getattr(next(tokens, None), "text", "}") == "}":
            return None
    return None


def _find_index(tokens: Iterator[_Token], index: str | int) -> _Token | None:
    """The first token of the element at an index of the array just opened."""
    for count, value in enumerate(tokens):
        if value.text == "]" or count == index:
            return None if value.text == "]" else value
        # Everything up to the comma goes, so that the count is one of elements and not of tokens.
        _end(tokens, value)
        if getattr(next(tokens, None), "text", "]") == "]":
            return None
    return None


def _end(tokens: Iterator[_Token], first: _Token) -> int:
    """Reads the rest of the value that starts with a token; the offset of its end."""
    depth = 0
    token = first
    while True:
        if token.text in "[{":
            depth += 1
        elif token.text in "]}":
            depth -= 1
        if depth <= 0:
            return token.span.end
        following = next(tokens, None)
        if following is None:
            return token.span.end
        token = following
