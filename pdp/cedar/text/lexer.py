r"""Characters to tokens, for policies and for schemas (language reference, "Cedar policy grammar", lexical part).

One compiled pattern finds a token and the white space and comments before it. White space is the Unicode property
White_Space and nothing else: `\s` would also take U+001C to U+001F. A comment is `//` up to CR or LF. A string token
keeps its raw text: `strings` decodes it, because a pattern's escapes differ.
"""

import re
from collections.abc import Iterator
from enum import Enum, unique
from typing import Final, NamedTuple

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.source import Source, Span


@unique
class Kind(Enum):
    """What a token is. `value` says it in a message."""

    IDENTIFIER = "an identifier"
    INTEGER = "an integer"
    STRING = "a string"
    SLOT = "a slot"
    PUNCTUATION = "punctuation"
    END = "the end of the text"


class Token(NamedTuple):
    """One token. `text` is as written, a string's with its quotes, so equal texts are equal tokens."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.start, self.end)


WHITE_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters of the Unicode property White_Space."""

_SPACE: Final = f"[{WHITE_SPACE}]"

_TOKEN: Final = re.compile(
    rf"{_SPACE}*+(?://[^\r\n]*+{_SPACE}*+)*+"
    r"""(?:
    ([_a-zA-Z][_a-zA-Z0-9]*+)
    |([0-9]++)
    |("[^"\\]*+(?:\\.[^"\\]*+)*+")
    |(\?[_a-zA-Z][_a-zA-Z0-9]*+)
    |(::|==|!=|<=|>=|&&|\|\||[@(){}\[\],;:.<>=+*/%!?-])
    |(\Z)
    |(.)
    )""",
    re.DOTALL | re.VERBOSE,
)
"""The groups are the members of `Kind`, in order, and last a character that starts no token."""

_KINDS: Final = (None, *Kind)
_INVALID: Final = len(_KINDS)

_HELP_FOR_CHARACTER: Final = {
    "'": "write strings in double quotes",
    "“": 'write strings in straight double quotes (`"`)',
    "”": 'write strings in straight double quotes (`"`)',
    "`": "write strings in double quotes",
    "&": "did you mean `&&`?",
    "|": "did you mean `||`?",
    "#": "comments start with `//`",
    "$": "identifiers have ASCII letters, digits and `_` only",
    "\ufeff": "save the file without a byte order mark",
}


def tokenize(source: Source, limit: int, error: type[CedarError] = ParseError, start: int = 0) -> Iterator[Token]:
    """The tokens of a text from an offset on, the last one of kind END.

    Lazy, so that the first fault in the text is the first reported: after a missing quote the lexical fault is often
    pages away from the syntactic one. Raises `error` where a character starts no token, for a text of more than
    `limit` characters, and for one that is no Unicode text (it holds a lone surrogate).
    """
    refuse_unreadable(source, limit, error)
    text, kinds = source.text, _KINDS
    for match in _TOKEN.finditer(text, start):
        group = match.lastindex or _INVALID
        if group == _INVALID:
            raise _invalid(source, match.start(group), error)
        kind = kinds[group] or Kind.END
        start, end = match.span(group)
        yield Token(kind, match[group], start, end)
        if kind is Kind.END:
            return


def whole_tokens(source: Source, start: int) -> Iterator[Token]:
    """What is a token from an offset on, for those who look for a place to go on after a fault.

    Characters that start no token are left out. It ends before a string without an end: all that follows is inside it.
    """
    for match in _TOKEN.finditer(source.text, start):
        group = match.lastindex or _INVALID
        if group != _INVALID:
            yield Token(_KINDS[group] or Kind.END, match[group], *match.span(group))
        elif match[group] == '"':
            return


def describe(token: Token) -> str:
    """A token as messages show it; a long one is cut."""
    if token.kind is Kind.END:
        return str(token.kind.value)
    text = token.text if len(token.text) <= 40 else f"{token.text[:36]}..."
    return f"`{printable(text)}`"


def printable(text: str) -> str:
    """Text of a user for a message: what is invisible or would break the line is shown as `U+....`."""
    return "".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in text)


def refuse_unreadable(source: Source, limit: int, error: type[CedarError] = ParseError) -> None:
    """Returns if a text can be read at all. Raises `error` if it has more than `limit` characters or is no Unicode."""
    if len(source.text) > limit:
        raise error(
            f"the text has {len(source.text)} characters, the limit is {limit}",
            source=source,
            help="split it into several files",
        )
    if source.text.isascii():
        return
    try:
        source.text.encode()
    except UnicodeEncodeError as fault:
        raise error(
            f"U+{ord(source.text[fault.start]):04X} is half of a surrogate pair and no character",
            span=Span(fault.start, fault.start + 1),
            source=source,
            help="save the file as UTF-8",
        ) from None


def _invalid(source: Source, start: int, error: type[CedarError]) -> CedarError:
    char = source.text[start]
    if char == '"':
        line_end = source.text.find("\n", start)
        return error(
            "this string has no end",
            span=Span(start, len(source.text) if line_end < 0 else line_end),
            source=source,
            help='close the string with `"`; a quote inside it is written `\\"`',
        )
    return error(
        f"unexpected character `{printable(char)}`",
        span=Span(start, start + 1),
        source=source,
        help=_HELP_FOR_CHARACTER.get(char, "outside strings and comments Cedar uses ASCII letters, digits and signs"),
    )
