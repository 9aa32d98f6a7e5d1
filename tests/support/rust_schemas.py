"""The Rust engine (`cedarpy`) as a judge of schemas, and of entities and requests with a schema."""

import json
from typing import Any, Final

import cedarpy

_PERMIT: Final = cedarpy.PolicySet.from_str("permit(principal, action, resource);")


def accepts_text(text: str) -> bool:
    """Whether the engine reads a schema text."""
    return _reads(lambda: cedarpy.Schema.from_str(text))


def accepts_json(text: str) -> bool:
    """Whether the engine reads a JSON schema."""
    return _reads(lambda: cedarpy.Schema.from_json_str(text))


class RustSchema:
    """A schema of the engine's, asked about data."""

    def __init__(self, text: str) -> None:
        self._schema = cedarpy.Schema.from_json_str(text)

    def accepts_entities(self, text: str) -> bool:
        """Whether the engine reads an entity document with this schema."""
        return _reads(lambda: cedarpy.Entities.from_json_str(text, self._schema))

    def accepts_request(self, request: dict[str, Any]) -> bool:
        """Whether a request, with its context as JSON, is one for this schema."""
        result = cedarpy.is_authorized(request, _PERMIT, "[]", self._schema)
        return result.decision is not cedarpy.Decision.NoDecision


def _reads(read: Any) -> bool:
    try:
        read()
    except ValueError:
        return False
    return True


def dump(document: Any) -> str:
    """A document as compact JSON."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
