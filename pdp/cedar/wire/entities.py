"""Entities in JSON (Cedar JSON format, "entities"; research: Cedar language, section 5).

    [{"uid": U, "attrs": {name: value, ...}, "parents": [U, ...], "tags": {name: value, ...}}, ...]

`uid`, `attrs` and `parents` are required, `tags` is optional, other keys are ignored. U is `{"type", "id"}` or
`{"__entity": {"type", "id"}}`. The parents of an action must be actions, schema or not.
"""

from collections.abc import Callable, Iterable
from typing import Final

from pdp.cedar.entities import Entities, Entity, one_of_equal
from pdp.cedar.errors import CedarError, EntityError
from pdp.cedar.names import is_action_type
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, Value
from pdp.cedar.wire.strict_json import FormError, Json, Path, located, parse_json, place
from pdp.cedar.wire.typing import EntityTyping, Untyped
from pdp.cedar.wire.values import describe, read_entity_uid, write_entity_uid, write_value

_UNTYPED: Final = Untyped()
_FORM: Final = 'an entity is `{"uid": {"type": .., "id": ..}, "attrs": {..}, "parents": [..]}`'


def parse_entities(source: Source, typing: EntityTyping | None = None) -> Entities:
    """The store that a JSON text describes. Raises JsonError, or EntityError for a cycle or a contradiction."""
    entities = read_entities(parse_json(source), source, typing)
    try:
        return Entities(entities)
    except EntityError as error:
        index = next((i for i in reversed(range(len(entities))) if entities[i].uid == error.uid), 0)
        place(error, source, (index, "uid"))
        raise


def read_entities(json: Json, source: Source, typing: EntityTyping | None = None) -> tuple[Entity, ...]:
    """The entities of a document in its order, duplicates included, ancestors not yet closed.

    `source` is the text that `json` was read from; it is only used to place errors. Raises JsonError, or whatever
    CedarError `typing` raises, with a place.
    """
    with located(source):
        entries = _array(json, (), "the document", "write an array of entities")
        return tuple(_entity(entry, index, source, typing or _UNTYPED) for index, entry in enumerate(entries))


def _array(json: Json, path: Path, name: str, help: str) -> list[Json]:
    if not isinstance(json, list):
        raise FormError(f"{name} must be an array, found {describe(json)}", path, help=help)
    return json


def _entity(json: Json, index: int, source: Source, typing: EntityTyping) -> Entity:
    if not isinstance(json, dict):
        raise FormError(f"an entity must be an object, found {describe(json)}", (index,), help=_FORM)
    for name in ("uid", "attrs", "parents"):
        if name not in json:
            raise FormError(f"the entity has no `{name}`", (index,), help=_FORM)
    uid = read_entity_uid(json["uid"], (index, "uid"))
    attrs = _values(json["attrs"], uid, (index, "attrs"), source, typing.attribute)
    parents = _parents(json["parents"], uid, (index, "parents"))
    if "tags" not in json:
        return Entity(uid, attrs, parents)
    return Entity(uid, attrs, parents, _values(json["tags"], uid, (index, "tags"), source, typing.tag))


def _values(
    json: Json, uid: EntityUID, path: Path, source: Source, read: Callable[[EntityUID, str, Json, Path], Value]
) -> dict[str, Value]:
    if not isinstance(json, dict):
        raise FormError(f"`{path[-1]}` must be an object, found {describe(json)}", path, help=_FORM)
    values: dict[str, Value] = {}
    for name, value in json.items():
        inner = (*path, name)
        try:
            values[name] = read(uid, name, value, inner)
        except CedarError as error:
            place(error, source, inner)
            raise
    return values


def _parents(json: Json, uid: EntityUID, path: Path) -> frozenset[EntityUID]:
    parents = [
        read_entity_uid(parent, (*path, index))
        for index, parent in enumerate(_array(json, path, "`parents`", "write an array of entity uids"))
    ]
    if is_action_type(uid.type):
        for index, parent in enumerate(parents):
            if not is_action_type(parent.type):
                raise FormError(
                    f"the action `{uid}` has the parent `{parent}`, which is not an action",
                    (*path, index),
                    help="the parents of an action must be actions",
                )
    return one_of_equal(frozenset(parents))


def write_entities(entities: Iterable[Entity]) -> list[Json]:
    """The JSON that `read_entities` reads as these entities, parents sorted. Raises JsonError as `write_value` does."""
    return [_write_entity(entity) for entity in entities]


def _write_entity(entity: Entity) -> dict[str, Json]:
    parents: list[Json] = [write_entity_uid(parent) for parent in sorted(entity.parents)]
    written: dict[str, Json] = {
        "uid": write_entity_uid(entity.uid),
        "attrs": {name: write_value(value) for name, value in entity.attrs.items()},
        "parents": parents,
    }
    if entity.tags:
        written["tags"] = {name: write_value(value) for name, value in entity.tags.items()}
    return written
