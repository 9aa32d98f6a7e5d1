"""Where a thing was written: a named text, and spans of character offsets in it."""

from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """A place for people: both numbers start at 1; a column counts Unicode code points."""

    line: int
    column: int


class Span(NamedTuple):
    """Half-open range of character offsets, `start <= end`."""

    start: int
    end: int


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
        """The text of a line, without its end."""
        lines = self.text.split("\n", number)
        return lines[number - 1].rstrip("\r") if number <= len(lines) else ""

    def excerpt(self, span: Span) -> str:
        """The characters that a span covers."""
        return self.text[span.start : span.end]

    def underline(self, span: Span) -> str:
        """The first line of a span with carets below it, in the shape of a compiler's message."""
        line, column = self.position(span.start)
        text = self.line(line).replace("\t", " ")
        width = max(1, min(span.end - span.start, len(text) - column + 1))
        margin = " " * len(str(line))
        return f"{margin} |\n{line} | {text}\n{margin} | {' ' * (column - 1)}{'^' * width}"
