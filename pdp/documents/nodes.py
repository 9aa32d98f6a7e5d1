"""Values of a document, read one by one; whatever does not have the documented form is refused with its place."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Final, NoReturn, Protocol, TypeVar, final

from pdp.cedar.errors import CedarError, EvaluationError
from pdp.cedar.ext import datetime, duration
from pdp.cedar.names import is_identifier
from pdp.cedar.source import Source, Span
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.values import Duration, EntityUID, brief
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.cedar.wire.values import describe

Parsed = TypeVar("Parsed")

_MAX_LISTED: Final = 12
"""Words that a message lists."""

_MAX_GUESSED: Final = 60
"""Characters of a word for which a similar one is looked for: that costs the product of the lengths."""


class DocumentError(CedarError):
    """A document that cannot be read, is malformed or does not have the documented form."""

    code = "document"


class Places(Protocol):
    """Knows where things stand in a document."""

    def value(self, path: Path) -> Span:
        """The value at a path; of a path that leads nowhere, the last value on the way."""
        ...

    def key(self, path: Path) -> Span:
        """The key under which the value at a path stands, or the value, if keys are not known."""
        ...


@final
class Node:
    """A value of a document and the way to it. Every method raises DocumentError, with the value's place."""

    __slots__ = ("_places", "path", "source", "value")

    def __init__(self, value: Json, source: Source, places: Places, path: Path = ()) -> None:
        self.value: Final = value
        self.source: Final = source
        self.path: Final = path
        self._places: Final = places

    @property
    def span(self) -> Span:
        """Where the value stands in `source`."""
        return self._places.value(self.path)

    def refuse(self, message: str, help: str | None = None) -> NoReturn:
        """Refuse the document because of this value."""
        raise DocumentError(message, span=self.span, source=self.source, help=help)

    def refuse_key(self, message: str, help: str | None = None) -> NoReturn:
        """Refuse the document because of the key that this value stands under."""
        raise DocumentError(message, span=self._places.key(self.path), source=self.source, help=help)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Errors of the language that leave this block without a place get this value's.

        A FormError gets the place of what it is about, its path taken from this value on.
        """
        try:
            yield
        except CedarError as error:
            if error.source is None:
                inner = error.path if isinstance(error, FormError) else ()
                error.source, error.span = self.source, self._places.value((*self.path, *inner))
            raise

    def text(self, help: str | None = None) -> str:
        """The value, which must be a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            if isinstance(self.value, int):
                help = help or "put it in quotes"
            self.refuse(f"{self.name} must be a text, found {_found(self.value)}", help)
        return self.value

    def choice(self, choices: Collection[str]) -> str:
        """The value, which must be one of these words."""
        if not isinstance(self.value, str) or self.value not in choices:
            few = f"one of {', '.join(f'`{choice}`' for choice in choices)}" if len(choices) <= _MAX_LISTED else None
            self.refuse(f"{self.name} cannot be {_found(self.value)}", _meant(self.value, choices) or few)
        return self.value

    def integer(self, least: int, most: int) -> int:
        """The value, which must be a whole number from `least` to `most`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            self.refuse(f"{self.name} must be a whole number from {least} to {most}, found {_found(self.value)}")
        return self.value

    def flag(self) -> bool:
        """The value, which must be true or false."""
        if not isinstance(self.value, bool):
            self.refuse(f"{self.name} must be `true` or `false`, found {_found(self.value)}")
        return self.value

    def duration(self, least: int, most: int) -> int:
        """The value, which must be a Cedar duration from `least` to `most`; all three in milliseconds."""
        help = "write it as in `1h30m`, with the units d, h, m, s, ms in this order"
        text = self.text(help)
        try:
            milliseconds = duration.parse(text).milliseconds
        except EvaluationError:
            self.refuse(f"{self.name} must be a duration, found {brief(text)}", help)
        if not least <= milliseconds <= most:
            bounds = (duration.format(Duration(bound)) for bound in (least, most))
            self.refuse(f"{self.name} must be from {' to '.join(bounds)}, found {brief(text)}")
        return milliseconds

    def instant(self) -> int:
        """The value, which must be a Cedar datetime; in milliseconds since 1970 UTC."""
        help = "write it as in `2026-03-02T10:00:00Z`"
        text = self.text(help)
        try:
            return datetime.parse(text).milliseconds
        except EvaluationError:
            self.refuse(f"{self.name} must be an instant, found {brief(text)}", help)

    def entity(self) -> EntityUID:
        """The value, which must be an entity reference as in policy text: `User::"ana"`."""
        return self.parsed(parse_entity_uid)

    def parsed(self, parse: Callable[[str], Parsed]) -> Parsed:
        """What `parse` makes of the value, a text; what it refuses gets its place in this document."""
        text = self.text()
        try:
            return parse(text)
        except CedarError as error:
            span = self.span
            start = self.source.excerpt(span).find(text)
            if start >= 0 and error.span is not None:  # otherwise the text stands here with escapes or folded lines
                span = Span(*(span.start + start + offset for offset in error.span))
            message = f"{self.name}: {error.message}"
            raise DocumentError(message, span=span, source=self.source, help=error.help) from error

    def items(self) -> "list[Node]":
        """The elements of the value, which must be a list."""
        if not isinstance(self.value, list):
            self.refuse(f"{self.name} must be a list, found {_found(self.value)}")
        return [self._below(index, element) for index, element in enumerate(self.value)]

    def entries(self) -> "list[tuple[str, Node]]":
        """The entries of the value, which must be a mapping whose keys mean nothing to the format itself."""
        if not isinstance(self.value, dict):
            self.refuse(f"{self.name} must be a mapping, found {_found(self.value)}")
        return [(key, self._below(key, value)) for key, value in self.value.items()]

    def table(self) -> "Table":
        """The value, which must be a mapping, ready to be asked for its keys."""
        return Table(self, dict(self.entries()))

    @property
    def name(self) -> str:
        """What messages call the value: the way to it, such as `cases[2].expect`."""
        return f"`{''.join(map(_step, self.path)).removeprefix('.')}`" if self.path else "the document"

    def _below(self, step: str | int, value: Json) -> "Node":
        return Node(value, self.source, self._places, (*self.path, step))


@final
class Table:
    """A mapping under a `with`: at its end, keys that were not asked for are refused."""

    __slots__ = ("_asked", "_entries", "node")

    def __init__(self, node: Node, entries: dict[str, Node]) -> None:
        self.node: Final = node
        self._entries = entries
        self._asked: dict[str, None] = {}

    def get(self, key: str) -> Node | None:
        """The value of a key, None when the key is not there."""
        self._asked[key] = None
        return self._entries.get(key)

    def require(self, key: str) -> Node:
        """The value of a key that must be there."""
        node = self.get(key)
        if node is None:
            others = [name for name in self._entries if name not in self._asked]
            close = get_close_matches(key, [name for name in others if len(name) <= _MAX_GUESSED], n=1)
            self.node.refuse(f"`{key}` is missing", f"is {brief(close[0])} a misspelling of it?" if close else None)
        return node

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for key, node in self._entries.items():
            if key not in self._asked:
                known = ", ".join(f"`{name}`" for name in self._asked)
                node.refuse_key(f"unknown key {brief(key)}", _meant(key, self._asked) or f"the keys here are {known}")


def _step(step: str | int) -> str:
    if isinstance(step, str):
        return f".{step}" if is_identifier(step) and len(step) <= _MAX_GUESSED else f"[{brief(step)}]"
    return f"[{step}]"


def _found(value: Json) -> str:
    match value:
        case str():
            return brief(value) if value else "an empty text"
        case True | False:
            return "`true`" if value else "`false`"
        case int():
            return f"`{value}`"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return describe(value)


def _meant(word: Json, known: Collection[str]) -> str | None:
    close = get_close_matches(word, known, n=1) if isinstance(word, str) and len(word) <= _MAX_GUESSED else []
    return f"did you mean `{close[0]}`?" if close else None
