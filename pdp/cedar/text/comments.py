"""Tokens with the comments that stand around them, and both as documents: a policy text can be written anew with them.

A comment on the line on which a token ends belongs to that token, any other to the token that follows it. A last comma,
as in `[1, 2,]`, means nothing and is left out as if it were white space: its comments go to its neighbours.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, final

from pdp.cedar.limits import MAX_POLICY_TEXT
from pdp.cedar.source import Source
from pdp.cedar.text.layout import HARD_LINE, NIL, SPACE, Doc, concat
from pdp.cedar.text.layout import text as text_document
from pdp.cedar.text.lexer import WHITE_SPACE, Kind, Token, tokenize

_COMMENT: Final = re.compile(r"//[^\r\n]*+")
_CLOSING: Final = frozenset(")]}")


class Commented(NamedTuple):
    """A token, the comments on the lines before it, and the one behind it, if any. Comments begin with `//`."""

    token: Token
    leading: tuple[str, ...]
    trailing: str | None


def commented_tokens(source: Source) -> Iterator[Commented]:
    """The tokens of a policy text without its last commas. The last one is of kind END and holds what follows all.

    Raises ParseError as `tokenize` does.
    """
    tokens = _without_last_commas(source)
    gap, token = next(tokens)
    leading = comments(gap)
    for gap, following in tokens:
        found = comments(gap) if "//" in gap else ()
        if found and "\n" not in gap[: gap.index("//")]:
            yield Commented(token, leading, found[0])
            leading = found[1:]
        else:
            yield Commented(token, leading, None)
            leading = found
        token = following
    yield Commented(token, leading, None)


def comments(text: str) -> tuple[str, ...]:
    """The comments among white space, without the white space at their ends."""
    return tuple(comment.rstrip(WHITE_SPACE) for comment in _COMMENT.findall(text))


def _without_last_commas(source: Source) -> Iterator[tuple[str, Token]]:
    """Each token and the text between it and the one before."""
    text, end = source.text, 0
    comma: tuple[str, Token] | None = None
    for token in tokenize(source, MAX_POLICY_TEXT):
        gap = text[end : token.start]
        end = token.end
        if comma is not None:
            if token.text in _CLOSING:
                gap = comma[0] + gap
            else:
                yield comma
            comma = None
        if token.text == ",":
            comma = gap, token
        else:
            yield gap, token


@final
class CommentedCursor:
    """A place in the tokens of a text that is known to be Cedar: nothing is refused.

    `next` is the next token, `text` its text. `indent`, in spaces, is for who makes documents of the tokens.
    """

    __slots__ = ("_following", "indent", "next", "source", "text")

    def __init__(self, source: Source, indent: int) -> None:
        self.source: Final = source
        self.indent: Final = indent
        self._following: Final[Callable[[], Commented]] = commented_tokens(source).__next__
        self._read()

    def _read(self) -> None:
        self.next: Commented = self._following()
        self.text: str = self.next.token.text

    @property
    def at_end(self) -> bool:
        """Whether all tokens are read."""
        return self.next.token.kind is Kind.END

    def take(self) -> Commented:
        """The next token, which is then behind."""
        taken = self.next
        if taken.token.kind is not Kind.END:
            self._read()
        return taken

    def take_leading(self) -> tuple[str, ...]:
        """The comments on the lines before the next token, which then has none."""
        leading = self.next.leading
        self.next = self.next._replace(leading=())
        return leading


def document(item: Commented) -> Doc:
    """A token with its comments, each of which ends its line."""
    if not item.leading and item.trailing is None:
        return token_document(item.token)
    return concat(leading_document(item.leading), token_document(item.token), trailing_document(item.trailing))


def leading_document(comments: tuple[str, ...]) -> Doc:
    """Comments, each on a line of its own."""
    if not comments:
        return NIL
    parts = (part for comment in comments for part in (HARD_LINE, text_document(comment)))
    return concat(*parts, HARD_LINE)


def token_document(token: Token) -> Doc:
    """A token without comments."""
    return text_document(word(token))


def trailing_document(comment: str | None) -> Doc:
    """A comment behind what stands on its line, and the end of that line."""
    return NIL if comment is None else concat(SPACE, text_document(comment), HARD_LINE)


def word(token: Token) -> str:
    """A token as it is written anew: as it stands; an integer without leading zeros."""
    return token.text.lstrip("0") or "0" if token.kind is Kind.INTEGER else token.text
