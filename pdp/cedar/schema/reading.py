"""JSON to entities and contexts that a schema accepts (research: Cedar language, section 5, "with a schema")."""

from collections.abc import Mapping, Sequence

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ConformanceError, EntityError
from pdp.cedar.names import is_action_type
from pdp.cedar.schema.faults import Fault, context_faults, entity_faults
from pdp.cedar.schema.hints import shown
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.typing import SchemaTyping, read_fields
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, Record
from pdp.cedar.wire.entities import read_entities
from pdp.cedar.wire.strict_json import FormError, Path, locate, located, parse_json, place
from pdp.cedar.wire.values import describe


def read_entities_with_schema(source: Source, schema: Schema) -> Entities:
    """The store that a JSON text describes, with the schema's actions, which need not stand in the text.

    Raises JsonError; EntityError for a cycle or a contradiction; ConformanceError for an entity that the schema does
    not accept. Each has a place.
    """
    read = read_entities(parse_json(source), source, SchemaTyping(schema))
    places = {entity.uid: index for index, entity in enumerate(read)}
    others = []
    actions = []
    for index, entity in enumerate(read):
        if is_action_type(entity.uid.type):
            actions.append(entity)
        else:
            others.append(entity)
            _check(schema, entity, source, index)
    # An action is compared with its declaration by all its groups, and only a store knows them.
    for action in _store(actions, source, places):
        _check(schema, action, source, places[action.uid])
    return _store([*others, *schema.action_entities()], source, places)


def parse_context(source: Source, schema: Schema, action: EntityUID) -> Record:
    """The context that a JSON text stands for in a request for an action.

    Raises JsonError, and ConformanceError when the action is not declared or its context is another; with a place.
    """
    json = parse_json(source)
    declared = schema.actions.get(action)
    with located(source):
        if declared is None:
            raise ConformanceError(f"the action {shown(action)} is not declared in the schema")
        if not isinstance(json, dict):
            raise FormError(f"expected a record, found {describe(json)}", (), help="write an object")
        context = read_fields(json, declared.context)
    for fault in context_faults(schema, action, context):
        raise _refusal(fault, source, fault.steps)
    return context


def _check(schema: Schema, entity: Entity, source: Source, index: int) -> None:
    if not schema.accepts_entity(entity):
        fault = next(entity_faults(schema, entity))
        raise _refusal(fault, source, (index, *fault.steps))


def _store(entities: Sequence[Entity], source: Source, places: Mapping[EntityUID, int]) -> Entities:
    try:
        return Entities(entities)
    except EntityError as error:
        place(error, source, () if error.uid is None else (places.get(error.uid, 0), "uid"))
        raise


def _refusal(fault: Fault, source: Source, path: Path) -> ConformanceError:
    return ConformanceError(fault.message, span=locate(source, path), source=source, help=fault.help)
