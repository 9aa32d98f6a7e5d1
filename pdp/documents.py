"""Files that people write (configuration, routes, grants, test cases) read strictly, with a place for every refusal.

A document is YAML or JSON; both become the same values and are read through `Node` and `Table`:

    with parse_yaml(source).table() as table:
        workers = table.require("workers").integer(1, 64)
        name = node.text() if (node := table.get("name")) is not None else "pdp"

A key that nobody asked for is refused when the block ends, and what was probably meant is named. YAML is read as less
than it is: no anchors, aliases or tags, no fractions; of plain words only `true`, `false`, `null` and integers mean
something else than themselves (YAML 1.1 would read `no` as false and `12:30` as 750).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Final, NoReturn, Protocol, final

import yaml

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source, Span
from pdp.cedar.values import brief
from pdp.cedar.wire.strict_json import Json, Path, locate, parse_json
from pdp.cedar.wire.values import describe

MAX_YAML_TEXT: Final = 4 * 1024 * 1024
"""Characters in one YAML document."""

_MAX_DEPTH: Final = 32
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None, "~": None, "": None}


class DocumentError(CedarError):
    """A document that is malformed or does not have the documented form."""

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

    def refuse(self, message: str, help: str | None = None) -> NoReturn:
        """Refuse the document because of this value."""
        raise DocumentError(message, span=self._places.value(self.path), source=self.source, help=help)

    def refuse_key(self, message: str, help: str | None = None) -> NoReturn:
        """Refuse the document because of the key that this value stands under."""
        raise DocumentError(message, span=self._places.key(self.path), source=self.source, help=help)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Errors of the language that leave this block without a place get this value's."""
        try:
            yield
        except CedarError as error:
            if error.source is None:
                error.source, error.span = self.source, self._places.value(self.path)
            raise

    def text(self, help: str | None = None) -> str:
        """The value, which must be a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            self.refuse(f"{self._name} must be a text, found {_found(self.value)}", help)
        return self.value

    def choice(self, choices: Collection[str]) -> str:
        """The value, which must be one of these words."""
        if self.value not in choices:
            wanted = ", ".join(f"`{choice}`" for choice in choices)
            self.refuse(
                f"{self._name} cannot be {_found(self.value)}", _meant(self.value, choices) or f"one of {wanted}"
            )
        return str(self.value)

    def integer(self, least: int, most: int) -> int:
        """The value, which must be a whole number from `least` to `most`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            self.refuse(f"{self._name} must be a whole number from {least} to {most}, found {_found(self.value)}")
        return self.value

    def flag(self) -> bool:
        """The value, which must be true or false."""
        if not isinstance(self.value, bool):
            self.refuse(f"{self._name} must be `true` or `false`, found {_found(self.value)}")
        return self.value

    def items(self) -> "list[Node]":
        """The elements of the value, which must be a list."""
        if not isinstance(self.value, list):
            self.refuse(f"{self._name} must be a list, found {_found(self.value)}")
        return [self._below(index, element) for index, element in enumerate(self.value)]

    def entries(self) -> "list[tuple[str, Node]]":
        """The entries of the value, which must be a mapping whose keys mean nothing to the format itself."""
        if not isinstance(self.value, dict):
            self.refuse(f"{self._name} must be a mapping, found {_found(self.value)}")
        return [(key, self._below(key, value)) for key, value in self.value.items()]

    def table(self) -> "Table":
        """The value, which must be a mapping, ready to be asked for its keys."""
        return Table(self, dict(self.entries()))

    @property
    def _name(self) -> str:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).lstrip(".")
        return f"`{steps}`" if steps else "the document"

    def _below(self, step: str | int, value: Json) -> "Node":
        return Node(value, self.source, self._places, (*self.path, step))


@final
class Table:
    """A mapping under a `with`: at its end, keys that were not asked for are refused."""

    __slots__ = ("_asked", "_entries", "_node")

    def __init__(self, node: Node, entries: dict[str, Node]) -> None:
        self._node = node
        self._entries = entries
        self._asked: dict[str, None] = {}

    def get(self, key: str) -> Node | None:
        """The value of a key, None when the key is not there."""
        self._asked[key] = None
        return self._entries.get(key)

    def require(self, key: str) -> Node:
        """The value of a key that must be there."""
        node = self.get(key)
        return node if node is not None else self._node.refuse(f"`{key}` is missing")

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


def parse_yaml(source: Source) -> Node:
    """The document of a YAML text. Raises DocumentError, always with a place."""
    reader = _YamlReader(source)
    return Node(reader.read(), source, reader)


def parse_json_document(source: Source) -> Node:
    """The document of a JSON text. Raises JsonError for text that is not JSON."""
    return Node(parse_json(source), source, _JsonPlaces(source))


def _found(value: Json) -> str:
    if isinstance(value, str):
        return brief(value) if value else "an empty text"
    return f"`{value}`" if isinstance(value, int) and not isinstance(value, bool) else describe(value)


def _meant(word: object, known: Collection[str]) -> str | None:
    close = get_close_matches(str(word), known, n=1)
    return f"did you mean `{close[0]}`?" if close else None


@final
class _JsonPlaces:
    """Looks for a place when it is asked for one: a good document pays nothing."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def value(self, path: Path) -> Span:
        return locate(self._source, path)

    def key(self, path: Path) -> Span:
        return locate(self._source, path)


@final
class _YamlReader:
    """Turns PyYAML's node graph into plain values and remembers where each stood."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values: dict[Path, Span] = {}
        self._keys: dict[Path, Span] = {}

    def value(self, path: Path) -> Span:
        while path not in self._values and path:
            path = path[:-1]
        return self._values.get(path, Span(0, 0))

    def key(self, path: Path) -> Span:
        return self._keys.get(path) or self.value(path)

    def read(self) -> Json:
        """The whole document."""
        text = self._source.text
        if len(text) > MAX_YAML_TEXT:
            self._refuse("the document is too long", Span(0, 0), f"at most {MAX_YAML_TEXT} characters are read")
        try:
            for token in yaml.scan(text, Loader=yaml.BaseLoader):
                if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken | yaml.DirectiveToken):
                    span = Span(token.start_mark.index, token.end_mark.index)
                    self._refuse("anchors, aliases, tags and directives are not read here", span, "write the value out")
            root = yaml.compose(text, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            at = error.problem_mark.index if error.problem_mark is not None else 0
            self._refuse(f"not YAML: {error.problem or error.context}", Span(at, at + 1), None)
        except yaml.reader.ReaderError as error:
            # The reader removes nothing before it: its position is one of the text.
            self._refuse("the text holds a character that YAML forbids", Span(error.position, error.position + 1), None)
        except RecursionError:
            self._refuse("nested too deeply", Span(0, 0), f"at most {_MAX_DEPTH} levels are read")
        if root is None:
            self._refuse("the document is empty", Span(0, 0), None)
        return self._value(root, ())

    def _value(self, node: yaml.Node, path: Path) -> Json:
        span = Span(node.start_mark.index, max(node.start_mark.index, node.end_mark.index))
        self._values[path] = span
        if len(path) > _MAX_DEPTH:
            self._refuse("nested too deeply", span, f"at most {_MAX_DEPTH} levels are read")
        match node:
            case yaml.ScalarNode():
                return _scalar(node)
            case yaml.SequenceNode():
                return [self._value(element, (*path, index)) for index, element in enumerate(node.value)]
            case yaml.MappingNode():
                return dict(self._entries(node, path))
            case _:
                raise AssertionError(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Json]]:
        seen: set[str] = set()
        for name, value in node.value:
            span = Span(name.start_mark.index, name.end_mark.index)
            if not isinstance(name, yaml.ScalarNode) or not name.value:
                self._refuse("a key must be a text", span, None)
            if name.value in seen:
                self._refuse(f"duplicate key {brief(name.value)}", span, "keep one of the two entries")
            seen.add(name.value)
            self._keys[(*path, name.value)] = span
            yield name.value, self._value(value, (*path, name.value))

    def _refuse(self, message: str, span: Span, help: str | None) -> NoReturn:
        raise DocumentError(message, span=span, source=self._source, help=help)


def _scalar(node: yaml.ScalarNode) -> Json:
    text: str = node.value
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _INTEGER.fullmatch(text) else text
