"""Documents: text with the places where a line may end, and how they are laid out within a width.

The algebra is Wadler's ("A prettier printer", 2003) with the conventions of the Rust crate that the reference formatter
uses, so that the two break lines at the same places:

- all lines of a group end, or none does: none if the group and what follows it, up to the next place where a line
  could end, fit within the width;
- a new line is indented like what stands on it, not like the line end itself: a `}` after nested text is not nested;
- a line that would hold nothing but white space is left out.

Every document knows how much room it takes when it is built, and so layout is linear in its size, whatever the width.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias, assert_never, final


class Extent(NamedTuple):
    """The room that a document takes, in columns."""

    flat: int | None
    """On one line; None if it holds a line end that cannot be left out."""
    head: int
    """When every line ends that can: up to the first line end, or the whole if there is none."""
    ends: bool
    """Whether there is a place where a line can end."""


@final
@dataclass(frozen=True, slots=True)
class Text:
    """Characters that are written as they are. Line ends among them, as in a string literal, are not noticed."""

    text: str
    extent: Extent


@final
@dataclass(frozen=True, slots=True)
class LineEnd:
    """Where a line may end. `otherwise` stands there if it does not; None: it always does."""

    otherwise: str | None
    extent: Extent


@final
@dataclass(frozen=True, slots=True)
class Concat:
    """Documents one after the other."""

    parts: "tuple[Doc, ...]"
    extent: Extent


@final
@dataclass(frozen=True, slots=True)
class Nest:
    """A document whose lines are indented by `columns` more."""

    columns: int
    doc: "Doc"
    extent: Extent


@final
@dataclass(frozen=True, slots=True)
class Group:
    """A document all of whose line ends are taken, or none."""

    doc: "Doc"
    extent: Extent


Doc: TypeAlias = Text | LineEnd | Concat | Nest | Group

NIL: Final = Concat((), Extent(0, 0, False))
"""Nothing. INVARIANT: it is never a part of another document, or it would decide how a new line is indented."""

SPACE: Final = Text(" ", Extent(1, 1, False))
LINE: Final = LineEnd(" ", Extent(1, 0, True))
"""A line end, or a space."""
SOFT_LINE: Final = LineEnd("", Extent(0, 0, True))
"""A line end, or nothing."""
HARD_LINE: Final = LineEnd(None, Extent(None, 0, True))
"""A line end."""


def text(characters: str) -> Doc:
    """Characters as they are."""
    return _short_text(characters) if len(characters) <= _SHORT else _text(characters)


def _text(characters: str) -> Doc:
    width = columns(characters)
    return Text(characters, Extent(width, width, False))


_SHORT: Final = 24
_short_text: Final = lru_cache(1_024)(_text)
"""Most tokens are short and among few: sharing their documents halves what the garbage collector walks over."""


def concat(*docs: Doc) -> Doc:
    """Documents one after the other; the empty ones are left out."""
    parts = [doc for doc in docs if doc is not NIL]
    if len(parts) < 2:
        return parts[0] if parts else NIL
    flat: int | None = 0
    head, ends = 0, False
    for part in parts:
        extent = part.extent
        flat = None if flat is None or extent.flat is None else flat + extent.flat
        if not ends:
            head += extent.head
            ends = extent.ends
    return Concat(tuple(parts), Extent(flat, head, ends))


def nest(columns: int, doc: Doc) -> Doc:
    """A document with its lines indented by `columns` more."""
    return Nest(columns, doc, doc.extent) if columns and doc is not NIL else doc


def group(doc: Doc) -> Doc:
    """A document that stands on one line if it fits."""
    return Group(doc, doc.extent) if doc.extent.ends and not isinstance(doc, Group) else doc


class _Task(NamedTuple):
    doc: Doc
    indent: int
    flat: bool
    after: int
    """Columns that follow the document on its last line, up to the next place where a line could end."""


def lines(doc: Doc, width: int) -> Iterator[str]:
    """The document's lines without their ends, of at most `width` columns if that can be. Does not recurse."""
    tasks = [_Task(doc, 0, False, 0)]
    line: list[str] = []
    blank, position = True, 0
    while tasks:
        doc, indent, flat, after = tasks.pop()
        match doc:
            case Text(characters, extent):
                line.append(characters)
                blank = blank and characters == " "
                position += extent.head
            case LineEnd(otherwise) if flat and otherwise is not None:
                line.append(otherwise)
                position += len(otherwise)
            case LineEnd():
                if not blank:
                    yield "".join(line)
                position = tasks[-1].indent if tasks else 0
                line = [" " * position]
                blank = True
            case Concat(parts):
                for part in reversed(parts):
                    tasks.append(_Task(part, indent, flat, after))
                    after = part.extent.head + (0 if part.extent.ends else after)
            case Nest(by, nested):
                tasks.append(_Task(nested, indent + by, flat, after))
            case Group(grouped, extent):
                fits = flat or (extent.flat is not None and position + extent.flat + after <= width)
                tasks.append(_Task(grouped, indent, fits, after))
            case _:
                assert_never(doc)
    if not blank:
        yield "".join(line)


def columns(characters: str) -> int:
    """How many columns of a terminal some characters take (Unicode Standard Annex 11), each code point for itself."""
    return len(characters) if characters.isascii() else sum(map(_columns_of, characters))


_INVISIBLE: Final = frozenset({"Mn", "Me", "Cf"})
_JOINING: Final = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb]")
"""Vowels and finals of Hangul, which stand in the syllable before them."""


def _columns_of(char: str) -> int:
    category = unicodedata.category(char)
    if category in _INVISIBLE or _JOINING.match(char):
        return 0
    # Of a code point without a character, `east_asian_width` says "F".
    return 2 if category != "Cn" and unicodedata.east_asian_width(char) in "WF" else 1
