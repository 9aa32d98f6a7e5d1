"""The seam between reading entities and knowing their schema.

Without a schema, JSON says what type a value has (`__entity`, `__extn`). With one, the schema says it and JSON may be
implicit: `{"type": .., "id": ..}` for an entity, `"10.0.0.1"` for an ipaddr. The schema's side implements EntityTyping.
"""

from typing import Protocol, final

from pdp.cedar.values import EntityUID, Value
from pdp.cedar.wire.strict_json import Json, Path
from pdp.cedar.wire.values import read_value


class EntityTyping(Protocol):
    """Reads the attributes and tags of entities.

    Both methods raise a CedarError: a FormError for JSON that is no value, at a path below the given one; any error
    without a source is placed at `path` by the reader of the entities.
    """

    def attribute(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        """The value of an attribute of an entity. `path` says where in its document it stands."""
        ...

    def tag(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        """The value of a tag of an entity. `path` says where in its document it stands."""
        ...


@final
class Untyped:
    """Reading without a schema: JSON alone says what it is."""

    def attribute(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:  # noqa: ARG002  the protocol's
        """The value by its escapes."""
        return read_value(json, path)

    def tag(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:  # noqa: ARG002  the protocol's
        """The value by its escapes."""
        return read_value(json, path)
