r"""String tokens to values: escapes, and the patterns of `like` (language reference, "Strings" and "like").

The escapes are Rust's: `\n \r \t \\ \0 \' \"`, `\xHH` up to 7F, `\u{H...}` of one to six digits. There is no
line continuation. A bare carriage return is refused, so that line ends cannot change a policy's meaning unseen.
"""

import re
from collections.abc import Iterator
from typing import Final, NoReturn

from pdp.cedar.nodes import ANY, Pattern, Wildcard
from pdp.cedar.source import Span
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.lexer import Token, printable

STAR_ESCAPE: Final = "\\*"
"""A star that is no wildcard; exists in patterns only."""

_NEEDS_DECODING: Final = re.compile(r"[\\\r]")

_PIECE: Final = re.compile(
    r"""
    ([^\\\r]+)
    |\\([nrt\\0'"])
    |\\x([0-7][0-9a-fA-F])
    |\\u\{([0-9a-fA-F](?:_*[0-9a-fA-F]){0,5}_*)\}
    |(\\\*)
    """,
    re.VERBOSE,
)
_RAW, _SIMPLE, _BYTE, _SCALAR, _STAR = range(1, 6)
"""The groups of `_PIECE`."""

_BROKEN_ESCAPE: Final = re.compile(r"\\(?:u\{[^}\"]{0,12}\}?|x[^\"]{0,2}|.)", re.DOTALL)
_SIMPLE_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "0": "\0", "'": "'", '"': '"'}
_ESCAPES_HELP: Final = (
    "the escapes are `\\n`, `\\r`, `\\t`, `\\\\`, `\\0`, `\\'`, `\\\"`, `\\xHH` up to `\\x7F`, and `\\u{HHHH}` with "
    "one to six hexadecimal digits of a character"
)


def decode_string(cursor: Cursor, token: Token) -> str:
    """The value of a string token of the text under `cursor`; an escape that does not exist is refused."""
    body = token.text[1:-1]
    if not _NEEDS_DECODING.search(body):
        return body
    parts = []
    for text, start in _pieces(cursor, token):
        if text == STAR_ESCAPE:
            cursor.fail("the escape `\\*` exists only in the pattern of a `like`", Span(start, start + 2), "write `*`")
        parts.append(text)
    return "".join(parts)


def decode_pattern(cursor: Cursor, token: Token) -> Pattern:
    r"""The pattern that a string token after `like` stands for.

    Escapes are decoded before wildcards are looked for, as the Rust engine does: `\x2a` is a wildcard, and only `\*`
    is a star.
    """
    pattern: list[str | Wildcard] = []
    for text, _ in _pieces(cursor, token):
        if text == STAR_ESCAPE:
            _append(pattern, "*")
            continue
        first, *others = text.split("*")
        _append(pattern, first)
        for literal in others:
            if not pattern or pattern[-1] is not ANY:
                pattern.append(ANY)
            _append(pattern, literal)
    return tuple(pattern)


def _append(pattern: list[str | Wildcard], literal: str) -> None:
    """Adds literal text and keeps literal runs whole: none is empty, no two are adjacent."""
    if not literal:
        return
    if pattern and isinstance(last := pattern[-1], str):
        pattern[-1] = last + literal
    else:
        pattern.append(literal)


def _pieces(cursor: Cursor, token: Token) -> Iterator[tuple[str, int]]:
    r"""The decoded parts of a string token with their offsets in the source; `\*` comes as the object STAR_ESCAPE."""
    text, position, end = token.text, 1, len(token.text) - 1
    while position < end:
        match = _PIECE.match(text, position, end)
        if match is None:
            _refuse_piece(cursor, token, position)
        yield _decode(cursor, token, match), token.start + position
        position = match.end()


def _decode(cursor: Cursor, token: Token, match: re.Match[str]) -> str:
    group = match.lastindex
    if group == _RAW:
        return match[_RAW]
    if group == _SIMPLE:
        return _SIMPLE_ESCAPES[match[_SIMPLE]]
    if group == _BYTE:
        return chr(int(match[_BYTE], 16))
    if group == _STAR:
        return STAR_ESCAPE
    scalar = int(match[_SCALAR].replace("_", ""), 16)
    if scalar > 0x10FFFF or 0xD800 <= scalar <= 0xDFFF:
        _refuse_piece(cursor, token, match.start())
    return chr(scalar)


def _refuse_piece(cursor: Cursor, token: Token, position: int) -> NoReturn:
    start = token.start + position
    if token.text[position] == "\r":
        cursor.fail(
            "a string cannot hold a bare carriage return",
            Span(start, start + 1),
            "write `\\r`, or save the file with line feeds as line ends",
        )
    broken = _BROKEN_ESCAPE.match(token.text, position, len(token.text) - 1)
    escape = broken[0] if broken else "\\"
    cursor.fail(f"unknown escape `{printable(escape)}`", Span(start, start + len(escape)), _ESCAPES_HELP)
