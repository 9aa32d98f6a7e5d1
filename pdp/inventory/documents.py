"""OpenAPI documents as trees with places: read whole, references followed, nothing fetched.

A document is YAML, or JSON in a file `*.json`, which may be larger. References lead to other places of the same
document (`#/...`) and nowhere else. Everything here raises DocumentError or JsonError, with a place.
"""

import re
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import unquote

from pdp.cedar.source import Source, Span
from pdp.cedar.values import brief
from pdp.documents import DocumentError, Node, parse_json_document, parse_yaml

MAX_DOCUMENT: Final = 32 * 1024 * 1024
"""Characters in one document of JSON. Of YAML `MAX_YAML_TEXT`."""

_MAX_REFERENCES: Final = 16
"""References that lead to one another."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_PLAIN: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_VERSION: Final = re.compile(r"3\.[01]\.[0-9]+")


@final
class ApiDocument:
    """One document of OpenAPI 3.0 or 3.1."""

    def __init__(self, source: Source) -> None:
        self.root: Final = _parse(source)
        self.entries: Final = dict(self.root.entries())
        self._resolved: dict[str, Node] = {}
        version = self.entries.get("openapi")
        if version is None:
            help = "convert it to OpenAPI 3" if "swagger" in self.entries else None
            self.root.refuse("this is no OpenAPI document: `openapi` is missing", help)
        if _VERSION.fullmatch(version.text()) is None:
            version.refuse(f"version {brief(version.text())} of OpenAPI is not read", "3.0 and 3.1 are")

    def follow(self, node: Node) -> Node:
        """What a value refers to, or the value if it is no reference."""
        followed = 0
        while isinstance(node.value, dict) and "$ref" in node.value:
            followed += 1
            if followed > _MAX_REFERENCES:
                node.refuse("too many references lead to one another", "name what is meant")
            node = self._at(dict(node.entries())["$ref"])
        return node

    def _at(self, reference: Node) -> Node:
        pointer = reference.text()
        if (found := self._resolved.get(pointer)) is not None:
            return found
        if not pointer.startswith("#/"):
            reference.refuse(
                f"{brief(pointer)} is in another document", "write it into this one: nothing is fetched or opened"
            )
        node = self.root
        for step in unquote(pointer[2:]).split("/"):
            node = _child(node, step.replace("~1", "/").replace("~0", "~"), reference)
        self._resolved[pointer] = node
        return node


def _child(node: Node, step: str, reference: Node) -> Node:
    below: Mapping[str, Node] = dict(node.entries()) if isinstance(node.value, dict) else {}
    if isinstance(node.value, list):
        below = {str(index): item for index, item in enumerate(node.items())}
    if step not in below:
        reference.refuse(f"{brief(reference.text())} leads nowhere", f"there is no {brief(step)} in {node.name}")
    return below[step]


def _parse(source: Source) -> Node:
    if not source.name.endswith(".json"):
        return parse_yaml(source)
    if len(source.text) > MAX_DOCUMENT:
        raise DocumentError(
            "the document is too long",
            span=Span(0, 0),
            source=source,
            help=f"at most {MAX_DOCUMENT} characters are read",
        )
    return parse_json_document(Source(source.name, _TOKEN.sub(_without_fractions, source.text)))


def _without_fractions(token: re.Match[str]) -> str:
    """Fractions and large numbers, of examples and bounds, mean nothing to a route, and the reader of JSON refuses
    them: each becomes a 0 of its own length, so that every place stays what it was.
    """
    text = token[0]
    return text if text.startswith('"') or _PLAIN.fullmatch(text) else "0".ljust(len(text))
