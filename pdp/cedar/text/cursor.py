"""A reader's place in the tokens of one text, one token ahead; policies and schemas are both read through it."""

from collections.abc import Callable
from typing import Final, NoReturn, final

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.limits import MAX_POLICY_TEXT
from pdp.cedar.source import Source, Span
from pdp.cedar.text.lexer import Kind, Token, describe, tokenize


@final
class Cursor:
    """`token` is the next token to read, `end` the offset at which the last one read ends."""

    __slots__ = ("_error", "_next", "end", "source", "token")

    def __init__(
        self, source: Source, limit: int = MAX_POLICY_TEXT, error: type[CedarError] = ParseError, start: int = 0
    ) -> None:
        """Reads `source`, of at most `limit` characters, from `start` on; whatever is wrong is raised as `error`."""
        self.source: Final = source
        self._error: Final = error
        self._next: Final[Callable[[], Token]] = tokenize(source, limit, error, start).__next__
        self.token: Token = self._next()
        self.end: int = start

    def advance(self) -> Token:
        """The next token, which is then behind. At the end of the text it stays there."""
        token = self.token
        self.end = token.end
        if token.kind is not Kind.END:
            self.token = self._next()
        return token

    def at(self, text: str) -> bool:
        """Whether the next token is this punctuation or word."""
        return self.token.text == text

    def take(self, text: str) -> bool:
        """Reads the next token if it is this punctuation or word, and says whether it was."""
        if self.token.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str, help: str | None = None) -> Token:
        """Reads this punctuation or word, or fails with `help`."""
        if self.token.text != text:
            self.fail_expected(f"`{text}`", help)
        return self.advance()

    def expect_kind(self, kind: Kind, help: str | None = None) -> Token:
        """Reads a token of this kind, or fails with `help`."""
        if self.token.kind is not kind:
            self.fail_expected(kind.value, help)
        return self.advance()

    def since(self, start: int) -> Span:
        """The span from `start` to the end of the last token read."""
        return Span(start, self.end)

    def fail_expected(self, expected: str, help: str | None = None) -> NoReturn:
        """Refuses the next token: `expected ..., found ...`."""
        self.fail(f"expected {expected}, found {describe(self.token)}", help=help)

    def fail(self, message: str, span: Span | None = None, help: str | None = None) -> NoReturn:
        """Refuses the text, at the next token unless a span is given."""
        raise self._error(message, span=span or self.token.span, source=self.source, help=help)
