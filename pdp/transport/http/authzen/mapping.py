"""AuthZEN's words in Cedar's. What is configured stands in `config.AuthzenConfig`; the rules are these.

    type            the entity type that `types` has for it; one that is not listed is taken for a Cedar type itself
    id              the entity's id, as it is
    action.name     the id of an action of the type that `actions` has for the resource's type; if none is listed, of
                    the namespace of the resource's entity type (`Files::Action` for `Files::File`)
    properties      of subject and resource: attributes, where the schema declares them for the entity type; a stored
                    fact wins. The subject's property `device_property` names the device
    action's        the record `context.action`, where the schema declares one; of it, the declared attributes
    properties
    context         the attributes that the schema declares for the action's context

Properties and context are opaque in AuthZEN: what the schema does not declare is ignored, in any form. What it does
declare must fit. It is refused otherwise, for a fact of another type makes a comparison false without a trace; and so
are the names in the context that the decision point alone writes.
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast, final

from pdp.cedar.names import is_type_name
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import RecordType, Type
from pdp.cedar.schema.typing import read_fields, read_typed
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record, Value, brief
from pdp.cedar.wire.strict_json import FormError, Json, Path
from pdp.config.doors import AuthzenConfig
from pdp.engine.decider import CheckRequest
from pdp.engine.enrich import OWNED
from pdp.transport.errors import CallRefused
from pdp.transport.http.authzen.form import Act, Evaluation, Thing
from pdp.transport.http.authzen.speakers import Speaker
from pdp.transport.http.json_body import JsonObject, JsonValue

ACTION_RECORD: Final = "action"
"""The attribute of the context that the properties of the action become."""

_Read = TypeVar("_Read")


class Unmapped(CallRefused):
    """A question that has no meaning here. AuthZEN allows to ask it, so the answer is a deny and not an error."""

    code = "call_unmapped"


@final
class Vocabulary:
    """Reads questions by the configured mapping."""

    def __init__(self, config: AuthzenConfig) -> None:
        self._config = config

    def question(self, evaluation: Evaluation, speaker: Speaker, schema: Schema, request_id: str) -> CheckRequest:
        """The question to the engine. Raises Unmapped, NotEntitled, Unauthenticated."""
        subject, resource = self.entity(evaluation.subject), self.entity(evaluation.resource)
        action = EntityUID(self.action_type(evaluation.resource.type), evaluation.action.name)
        resource_facts = facts(evaluation.resource, resource, schema, "resource")
        speaker.refuse_facts(resource_facts)
        return CheckRequest(
            subject=speaker.subject(subject, facts(evaluation.subject, subject, schema, "subject")),
            action=action,
            resource=resource,
            context=_context(evaluation.context, evaluation.action, action, schema),
            device=self._device(evaluation.subject),
            request_id=request_id,
            resource_facts=Record(resource_facts),
        )

    def entity(self, thing: Thing) -> EntityUID:
        """The entity that a subject or resource is. Raises Unmapped."""
        return EntityUID(self.entity_type(thing.type), thing.id)

    def entity_type(self, type: str) -> str:
        """The entity type of a subject's or resource's type. Raises Unmapped."""
        found = self._config.types.get(type, type)
        if not is_type_name(found):
            raise Unmapped(f"the type {brief(type)} is not known here")
        return found

    def action_type(self, resource_type: str) -> str:
        """The type of the actions on a resource's type. Raises Unmapped."""
        listed = self._config.actions.get(resource_type)
        if listed is not None:
            return listed
        namespace, separator, _ = self.entity_type(resource_type).rpartition("::")
        return f"{namespace}{separator}Action"

    def _device(self, subject: Thing) -> EntityUID | None:
        name = self._config.device_property
        if name is None or name not in subject.properties:
            return None
        id = subject.properties[name]
        if not isinstance(id, str):
            raise Unmapped(f"`subject.properties.{name}` must be a string")
        return EntityUID(self._config.device_type, id)


def facts(thing: Thing, uid: EntityUID, schema: Schema, name: str) -> dict[str, Value]:
    """The attributes among the properties of a subject or resource, which messages call `name`. Raises Unmapped."""
    declared = schema.entity_types.get(uid.type)
    if declared is None:
        return {}
    attributes = declared.attributes.attributes
    return {
        property: _fit(json, attributes[property].type, read_typed, (name, "properties", property))
        for property, json in thing.properties.items()
        if property in attributes
    }


def _context(said: JsonObject, act: Act, action: EntityUID, schema: Schema) -> Record:
    """The context, of what the schema declares for the action. Raises Unmapped."""
    declared = schema.actions.get(action)
    if declared is None:  # the engine knows better what to say of it
        return EMPTY_RECORD
    attributes = declared.context.attributes
    known = {name: json for name, json in said.items() if name in attributes}
    if taken := known.keys() & OWNED:
        names = ", ".join(f"`{name}`" for name in sorted(taken))
        raise Unmapped(f"the context holds {names}, which the decision point alone writes")
    context: dict[str, Value] = {}
    record = attributes.get(ACTION_RECORD)
    if record is not None and isinstance(record.type, RecordType):
        if ACTION_RECORD in known:
            raise Unmapped(f"the context holds `{ACTION_RECORD}`, which stands for the properties of the action")
        properties = {name: json for name, json in act.properties.items() if name in record.type.attributes}
        context[ACTION_RECORD] = _fit(properties, record.type, _fields, ("action", "properties"))
    for name, json in known.items():
        context[name] = _fit(json, attributes[name].type, read_typed, ("context", name))
    return Record(context)


def _fields(json: Json, type: RecordType, path: Path) -> Record:
    return read_fields(cast("dict[str, Json]", json), type, path)


_Type = TypeVar("_Type", bound=Type)


def _fit(json: JsonValue, type: _Type, read: Callable[[Json, _Type, Path], _Read], path: Path) -> _Read:
    """What `read` makes of a part of the request. Whether it is of its type in every part, the engine sees."""
    try:
        return read(cast("Json", json), type, path)  # a fraction is refused there as any other form that does not fit
    except FormError as error:
        raise Unmapped(f"{'.'.join(map(str, error.path))}: {error.message}", help=error.help) from None
