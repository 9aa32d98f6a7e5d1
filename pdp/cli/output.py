"""What the verbs print with: plain lines on a pipe, colour on a terminal, and nothing that a text could smuggle in."""

from typing import Final

from rich.console import Console
from rich.text import Text

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source, Span

LABEL_WIDTH: Final = 14
"""Columns for the label of a line and the gap after it; a longer label moves its text to the right."""

_SHOWN_LINES: Final = 24
"""Lines of one policy that are printed at most."""


def standard_output() -> Console:
    """Standard output. Lines are never wrapped: what is printed to be copied must stay in one piece."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def standard_error() -> Console:
    """Standard error, as `standard_output`."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False, stderr=True)


def plain(text: str) -> str:
    """A text with what is not printable escaped, so that an id or a message cannot steer the terminal."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)


def labelled(label: str, text: str, style: str = "") -> Text:
    """An indented line: a label in its column, then the text."""
    return Text.assemble(f"  {plain(label):<{LABEL_WIDTH - 2}}  ", (plain(text), style))


def source_lines(source: Source, span: Span) -> list[str]:
    """The lines that a span touches, numbered; the middle of a very long span is left out."""
    first, last = source.position(span.start).line, source.position(max(span.start, span.end - 1)).line
    width = len(str(last))
    lines = [f"{number:>{width}} | {plain(source.line(number).expandtabs(4))}" for number in range(first, last + 1)]
    if len(lines) > _SHOWN_LINES:
        head, tail = _SHOWN_LINES * 2 // 3, _SHOWN_LINES // 3
        lines[head:-tail] = [f"{'':>{width}} | ... {len(lines) - head - tail} lines more"]
    return lines


def place_of(source: Source, span: Span) -> str:
    """`file:line:column` of a span's start."""
    position = source.position(span.start)
    return f"{source.name}:{position.line}:{position.column}"


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 case`, `7,809 cases`; `nouns` is the plural if it is another one."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def print_error(error: CedarError) -> None:
    """Tell an error on standard error."""
    # Line by line: the message may quote a file, and only its own line ends are ours.
    for line in error.render().split("\n"):
        standard_error().print(plain(line))
