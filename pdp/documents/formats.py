"""Texts to documents: YAML, read as less than it is, and JSON.

Of YAML there is one document, without anchors, aliases, tags and directives. Of plain words only `true`, `false`,
`null`, `~` and integers mean something else than themselves: YAML 1.1 would read `no` as false, `12:30` as 750, and
`1.5` as a fraction.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn, final

import yaml

from pdp.cedar.source import Source, Span
from pdp.cedar.values import brief
from pdp.cedar.wire.strict_json import Json, Path, locate, parse_json
from pdp.documents.nodes import DocumentError, Node

MAX_YAML_TEXT: Final = 1024 * 1024
"""Characters in one YAML document: PyYAML reads a few hundred thousand a second."""

_MAX_DEPTH: Final = 32
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None, "~": None, "": None}


def parse_yaml(source: Source) -> Node:
    """The document of a YAML text. Raises DocumentError, always with a place."""
    reader = _YamlReader(source)
    return Node(reader.read(), source, reader)


def parse_json_document(source: Source) -> Node:
    """The document of a JSON text. Raises JsonError for text that is not JSON."""
    return Node(parse_json(source), source, _JsonPlaces(source))


@final
class _JsonPlaces:
    """Looks for a place when it is asked for one: a good document pays nothing."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def value(self, path: Path) -> Span:
        return locate(self._source, path)

    def key(self, path: Path) -> Span:
        return locate(self._source, path)


_SYNTAX: Final[Mapping[str, tuple[str, str | None]]] = {
    "mapping values are not allowed here": ("unexpected `:`", "put a text that holds `: ` in quotes"),
    "found character '\\t'": ("unexpected tab", "indent with spaces"),
    "found character": ("unexpected character", "put a text that starts with this character in quotes"),
    "found unexpected end of stream": ("this text has no end", "close the quotes"),
    "found unexpected document separator": ("this text has no end", "close the quotes"),
    "could not find expected ':'": ("expected `:` after the key above", "a key and its value are written `key: value`"),
    "but found another document": ("a second document begins here", "write one document in a file"),
    "expected <block end>": ("unexpected entry", "the entries of one list or mapping begin in the same column"),
    "expected the node content": ("expected a value", None),
    "expected ',' or ']'": ("expected `,` or the end of this list", "close the list with `]`"),
    "expected ',' or '}'": ("expected `,` or the end of this mapping", "close the mapping with `}`"),
    "found unknown escape character": ("unknown escape", "write `\\\\` for a backslash, or use single quotes"),
}
"""PyYAML's messages, by how they begin, in this project's words."""

_OPENING: Final = (
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
)
_CLOSING: Final = (yaml.BlockEndToken, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
_UNREAD: Final = (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken, yaml.DirectiveToken)


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
            self._scan(text)
            root = yaml.compose(text, Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except yaml.reader.ReaderError as error:
            # The reader looks at the whole text before anything else: its position is one of the text.
            self._refuse("the text holds a character that YAML forbids", Span(error.position, error.position + 1), None)
        if root is None:
            self._refuse("the document is empty", Span(0, 0), None)
        return self._value(root, ())

    def _scan(self, text: str) -> None:
        """Refuses by its tokens what would be expensive or dangerous to compose."""
        loader = yaml.BaseLoader(text)
        depth = 0
        try:
            while loader.check_token():
                token = loader.get_token()  # type: ignore[no-untyped-call]  # the stubs leave it bare
                span = Span(token.start_mark.index, token.end_mark.index)
                if isinstance(token, _UNREAD):
                    self._refuse("anchors, aliases, tags and directives are not read here", span, "write the value out")
                depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
                if depth > _MAX_DEPTH:
                    self._refuse_depth(span)
        except (ValueError, OverflowError):
            # PyYAML converts the digits of an escape (`\U`) or of a directive (`%YAML`) unseen.
            at = loader.get_mark().index
            self._refuse("this number is not one that YAML knows", Span(at, at + 1), None)

    def _value(self, node: yaml.Node, path: Path) -> Json:
        span = Span(node.start_mark.index, max(node.start_mark.index, node.end_mark.index))
        self._values[path] = span
        if len(path) > _MAX_DEPTH:
            self._refuse_depth(span)
        match node:
            case yaml.ScalarNode():
                return self._scalar(node, span)
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
                self._refuse("a key must be a text that is not empty", span, None)
            self._scalar(name, span)
            if name.value in seen:
                self._refuse(f"duplicate key {brief(name.value)}", span, "keep one of the two entries")
            seen.add(name.value)
            self._keys[(*path, name.value)] = span
            yield name.value, self._value(value, (*path, name.value))

    def _scalar(self, node: yaml.ScalarNode, span: Span) -> Json:
        text: str = node.value
        if _SURROGATE.search(text):
            self._refuse("lone surrogate in a text", span, "write the character itself")
        if node.style is not None:
            return text
        if text in _WORDS:
            return _WORDS[text]
        return int(text) if _INTEGER.fullmatch(text) else text

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> NoReturn:
        problem = str(error.problem)
        known = (words for start, words in _SYNTAX.items() if problem.startswith(start))
        message, help = next(known, (f"not YAML: {problem}", None))
        # A text without an end is shown where it begins, not at the end of the file.
        mark = error.context_mark if message == "this text has no end" else error.problem_mark
        at = mark.index if mark is not None else 0
        self._refuse(message, Span(at, at + 1), help)

    def _refuse_depth(self, span: Span) -> NoReturn:
        self._refuse("nested too deeply", span, f"at most {_MAX_DEPTH} levels are read")

    def _refuse(self, message: str, span: Span, help: str | None) -> NoReturn:
        raise DocumentError(message, span=span, source=self._source, help=help)
