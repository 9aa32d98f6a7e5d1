"""Where a thing was written: a named text, and spans of character offsets in it."""

from dataclasses import dataclass
from typing import Final, NamedTuple


class Position(NamedTuple):
    """A place for people: both numbers start at 1; a column counts Unicode code points."""

    line: int
    column: int


class Span(NamedTuple):
    """Half-open range of character offsets, `start <= end`."""

    start: int
    end: int


_SHOWN: Final = 160
"""Characters of a line that a message shows at most, and of these, before the place itself:"""
_SHOWN_BEFORE: Final = 60


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name to call it by in messages (a path, or something like `<argument>`)."""

    name: str
    text: str

    def position(self, offset: int) -> Position:
        """Line and column of a character offset. Lines end at LF only, as editors show Cedar files."""
        before = self.text.count("\n", 0, offset)
        return Position(before + 1, offset - (self.text.rfind("\n", 0, offset) + 1) + 1)

    def line(self, number: int) -> str:
        """The text of a line, without its end; empty beyond the last line."""
        lines = self.text.split("\n", number)
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""

    def excerpt(self, span: Span) -> str:
        """The characters that a span covers."""
        return self.text[span.start : span.end]

    def underline(self, span: Span) -> str:
        """The first line of a span with carets below it, in the shape of a compiler's message.

        A long line (JSON may have no other) is cut on both sides, and what is not printable is shown as a blank, so
        that a hostile text can neither flood nor steer the terminal.
        """
        line, column = self.position(span.start)
        margin = " " * len(str(line))
        start = span.start - (column - 1)
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        cut = max(0, column - 1 - _SHOWN_BEFORE) if end - start > _SHOWN else 0
        text = self.text[start + cut : min(end, start + cut + _SHOWN)].rstrip("\r")
        shown = "".join(char if char.isprintable() else " " for char in text)
        before = column - 1 - cut
        width = max(1, min(span.end - span.start, len(shown) - before))
        return f"{margin} |\n{line} | {shown}\n{margin} | {' ' * before}{'^' * width}"
