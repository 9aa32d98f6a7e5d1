"""Facts from the files of a folder.

    entities.json, entities/*.json    entities in Cedar's JSON format, typed by the schema
    posture.json    [{"subject": {"type": "Device", "id": "laptop"}, "source": "mdm", "observed_at": TIME,
                      "facts": {"encrypted": true}}, ...]
    grants.json     [{"id": "grant/ana-orders", "template": "entitlement/orders",
                      "principal": {"type": .., "id": ..}, "resource": {"type": .., "id": ..},
                      "owner": "ben", "reason": "audit 7", "not_before": TIME, "expires_at": TIME}, ...]

Each may be missing. A TIME is a Cedar datetime (`2026-03-02T10:00:00Z`) or, where that is switched on, a Cedar duration
from the moment of loading (`-5m`). Everything is checked against the schema here: a fact of the wrong type would make a
policy's `==` false without a trace.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError, EntityError, EvaluationError
from pdp.cedar.ext import duration
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.reading import read_entities_with_schema
from pdp.cedar.schema.types import show
from pdp.cedar.schema.typing import read_typed
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.cedar.values import EntityUID, Value, brief, type_name
from pdp.cedar.wire.values import read_entity_uid, read_value
from pdp.context.conforming import OWNED_FACTS, FactTypes, fact_types, fits, is_id
from pdp.context.facts import Facts, Grant, Posture
from pdp.documents import Node, list_files, list_folder, parse_json_document, read_source

_FILES: Final = frozenset({"entities", "entities.json", "posture.json", "grants.json"})
_FAR: Final = 36_525 * duration.DAY
"""How far (ms) a relative time may lie from now: a hundred years."""


class FactsError(CedarError):
    """A folder of facts that cannot be read, or holds what does not belong there."""

    code = "facts"


def load_facts(directory: Path, schema: Schema, now: int, *, relative_times: bool) -> Facts:
    """The facts of a folder. `now` is in milliseconds since 1970 UTC. Raises CedarError, with a place.

    In particular JsonError and DocumentError for the form of a file, EntityError and ConformanceError for entities that
    contradict each other or the schema.
    """
    found = {entry.name: entry for entry in list_folder(directory, FactsError, required=True)}
    for name, entry in found.items():
        if name not in _FILES:
            raise FactsError(
                "this is not one of the files that belong here",
                source=Source(printable(str(entry)), ""),
                help="facts are in `entities.json`, `entities/*.json`, `posture.json` and `grants.json`",
            )
    single = [found["entities.json"]] if "entities.json" in found else []
    several = list_files(found["entities"], ".json", FactsError) if "entities" in found else ()
    base = now if relative_times else None
    return Facts(
        _entities([read_source(path, FactsError) for path in (*single, *several)], schema),
        _posture(_items(found.get("posture.json")), schema, base),
        _grants(_items(found.get("grants.json")), schema, base),
    )


def _items(path: Path | None) -> list[Node]:
    return [] if path is None else parse_json_document(read_source(path, FactsError)).items()


def _entities(sources: Sequence[Source], schema: Schema) -> Entities:
    stores = [read_entities_with_schema(source, schema) for source in sources]
    if len(stores) == 1:
        return stores[0]
    try:
        return Entities((*schema.action_entities(), *(entity for store in stores for entity in store)))
    except EntityError as error:
        # Each file alone is sound: the last one that has the entity does not fit the others.
        for source in reversed(sources):
            for item in reversed(parse_json_document(source).items()):
                uid = dict(item.entries())["uid"]
                if read_entity_uid(uid.value) == error.uid:
                    with uid.located():
                        raise
        raise


def _posture(items: Iterable[Node], schema: Schema, base: int | None) -> dict[EntityUID, Posture]:
    types = fact_types(schema)
    reports: dict[EntityUID, Posture] = {}
    for item in items:
        with item.table() as table:
            subject_node, facts = table.require("subject"), table.require("facts")
            subject = _entity(subject_node, schema)
            if subject in reports:
                subject_node.refuse(f"`{subject}` has two reports", "keep the newer one of them")
            reports[subject] = Posture(
                subject,
                _words(table.require("source")),
                _time(table.require("observed_at"), base),
                {name: _fact(name, node, types) for name, node in facts.entries()},
            )
    return reports


def _grants(items: Iterable[Node], schema: Schema, base: int | None) -> dict[str, Grant]:
    grants: dict[str, Grant] = {}
    for item in items:
        with item.table() as table:
            id_node, end_node = table.require("id"), table.require("expires_at")
            grant = Grant(
                _id(id_node, "grant"),
                _id(table.require("template"), "entitlement"),
                _entity(table.require("principal"), schema),
                _entity(table.require("resource"), schema),
                _words(table.require("owner")),
                _words(table.require("reason")),
                _time(table.require("not_before"), base),
                _time(end_node, base),
            )
            if grant.id in grants:
                id_node.refuse(f"there are two grants `{grant.id}`", "give each grant its own id")
            if grant.not_before >= grant.expires_at:
                end_node.refuse("the grant is over before it begins", "`expires_at` is later than `not_before`")
            grants[grant.id] = grant
    return grants


def _entity(node: Node, schema: Schema) -> EntityUID:
    """An entity of a declared type, as `{"type": .., "id": ..}`; it need not be stored."""
    with node.table() as table:
        type_name, id = table.require("type").choice(schema.entity_types), table.require("id")
        ids = schema.ids.get(type_name)
        return EntityUID(type_name, id.text() if ids is None else id.choice(ids))


def _id(node: Node, prefix: str) -> str:
    id = node.text()
    if not is_id(id, prefix):
        node.refuse(
            f"{node.name} cannot be {brief(id)}", f"write `{prefix}/` and letters, digits, `-`, `_`, `.` or `/`"
        )
    return id


def _words(node: Node) -> str:
    if not node.text().strip():
        node.refuse(f"{node.name} says nothing", "say it in words")
    return node.text()


def _time(node: Node, base: int | None) -> int:
    """An instant, or one relative to `base` (None: that is not allowed); in milliseconds since 1970 UTC."""
    try:
        duration.parse(node.text())
    except EvaluationError:
        return node.instant()
    if base is None:
        node.refuse(
            f"{node.name} is relative to the moment of loading", "write an instant, or set `context.relative_times`"
        )
    return base + node.duration(-_FAR, _FAR)


def _fact(name: str, node: Node, types: FactTypes) -> Value:
    """A fact of posture. Its elements are checked with the request that they come to, where the type is known."""
    if name in OWNED_FACTS:
        node.refuse_key(f"the fact `{name}` is written by the decision point alone", "leave it out")
    declared = types.get(name, ())
    if not declared:
        node.refuse_key(
            f"no action's context has the fact {brief(name)}", "declare it in the schema, in `device` or `workload`"
        )
    with node.located():
        value = read_typed(node.value, declared[0]) if len(declared) == 1 else read_value(node.value)
    if not any(fits(value, type) for type in declared):
        node.refuse(f"{node.name} must be {' or '.join(map(show, declared))}, found {type_name(value)}")
    return value
