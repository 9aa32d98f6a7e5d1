"""Why an entity or a request is not as its schema declares it. The slow half of `conform`.

Each function gives the faults one after the other, and none exactly where `accept` says yes.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeAlias, assert_never

from pdp.cedar.entities import Entity
from pdp.cedar.names import is_action_type
from pdp.cedar.request import Request
from pdp.cedar.schema.hints import FEW, closest, cut, guess, listed, listed_ids, shown
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import (
    CLASSES,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
    show,
    show_name,
    value_class,
)
from pdp.cedar.values import EntityUID, Record, Set, Value, type_name

Steps: TypeAlias = tuple[str, ...]
"""The way to a value: a field of the entity or of the request, then names of attributes; it ends before a set."""


class Fault(NamedTuple):
    """What is wrong, the way to it, and what to do about it."""

    message: str
    steps: Steps
    help: str | None = None


class _Place(NamedTuple):
    """A value, and what messages call it: `text` of `owner`, or `owner` itself."""

    owner: str
    text: str
    steps: Steps

    def inside(self, name: str) -> "_Place":
        step = show_name(name)
        text = f"{self.text}[{step}]" if step.startswith('"') else f"{self.text}.{step}"
        return self._replace(text=text.removeprefix("."), steps=(*self.steps, name))

    def element(self) -> "_Place":
        return self._replace(text=f"{self.text}[]")

    def __str__(self) -> str:
        return f"{shown(self.text)} of {self.owner}" if self.text else self.owner


_NAMES: Final = {value_class: str(type.value) for type, value_class in CLASSES.items()}
_ACTION_HELP: Final = "leave actions out of the data: the schema's own are part of every store"


def entity_faults(schema: Schema, entity: Entity) -> Iterator[Fault]:
    """Why the schema does not accept an entity."""
    uid = entity.uid
    declared = schema.entity_types.get(uid.type)
    if declared is None:
        yield from _undeclared_faults(schema, entity)
        return
    yield from _id_faults(schema, uid, ("uid",))
    owner = shown(uid)
    yield from _attribute_faults(schema, declared.attributes, entity.attrs, _Place(owner, "", ("attrs",)))
    for name, value in entity.tags.items():
        tag = _Place(owner, "", ("tags",)).inside(name)
        if declared.tags is None:
            yield Fault(f"{owner} has the tag {shown(tag.text)}, and {shown(declared.name)} has no tags", tag.steps)
        else:
            yield from _value_faults(schema, declared.tags, value, tag)
    for ancestor in sorted(entity.parents | entity.ancestors):
        if ancestor.type not in declared.ancestors:
            message = (
                f"{owner} is in {shown(ancestor)}, and a {shown(declared.name)} cannot be in a {shown(ancestor.type)}"
            )
            help = listed("it can be in", declared.ancestors) if declared.ancestors else "it cannot be in anything"
            yield Fault(message, ("parents",), help)
        yield from _id_faults(schema, ancestor, ("parents",))


def _undeclared_faults(schema: Schema, entity: Entity) -> Iterator[Fault]:
    """Faults of an action, or of an entity whose type nobody knows."""
    uid = entity.uid
    action = schema.actions.get(uid)
    if action is None and is_action_type(uid.type):
        yield _undeclared_action(schema, uid, ("uid",))
        return
    if action is None:
        help = guess(uid.type, schema.entity_types, FEW)
        yield Fault(f"the type of {shown(uid)} is not declared in the schema", ("uid",), help)
        return
    for name in (*entity.attrs, *entity.tags):
        yield Fault(
            f"the action {shown(uid)} has {shown(show_name(name))}, and actions have no attributes and no tags",
            ("uid",),
        )
    if entity.parents | entity.ancestors != action.ancestors:
        yield Fault(f"the action {shown(uid)} is in other groups than the schema says", ("parents",), _ACTION_HELP)


def request_faults(schema: Schema, request: Request) -> Iterator[Fault]:
    """Why the schema does not accept a request."""
    action = schema.actions.get(request.action)
    if action is None:
        yield _undeclared_action(schema, request.action, ("action",))
        return
    for variable, uid, types in (
        ("principal", request.principal, action.principal_types),
        ("resource", request.resource, action.resource_types),
    ):
        if uid.type not in types:
            help = listed(f"its {variable} types are", types) if types else "it is a group and applies to nothing"
            yield Fault(
                f"{shown(action.uid)} does not apply to a {variable} of type {shown(uid.type)}", (variable,), help
            )
        yield from _id_faults(schema, uid, (variable,))
    context = _Place(f"the context of {shown(action.uid)}", "", ("context",))
    yield from _attribute_faults(schema, action.context, request.context.fields, context)


def context_faults(schema: Schema, action: EntityUID, context: Record) -> Iterator[Fault]:
    """Why a context is not that of an action, which must be a declared one."""
    place = _Place(f"the context of {shown(action)}", "", ())
    yield from _attribute_faults(schema, schema.actions[action].context, context.fields, place)


def _undeclared_action(schema: Schema, uid: EntityUID, steps: Steps) -> Fault:
    ids = {action.id: action for action in islice(schema.actions, FEW + 1)}
    close = closest(uid.id, ids, FEW)
    help = f"did you mean {shown(ids[close])}?" if close is not None else None
    return Fault(f"the action {shown(uid)} is not declared in the schema", steps, help)


def _id_faults(schema: Schema, uid: EntityUID, steps: Steps) -> Iterator[Fault]:
    ids = schema.ids.get(uid.type)
    if ids is not None and uid.id not in ids:
        if is_action_type(uid.type):
            yield _undeclared_action(schema, uid, steps)
        else:
            yield Fault(
                f"{shown(uid)} is not among the ids of {shown(uid.type)}", steps, listed_ids("the ids are", ids)
            )


def _attribute_faults(
    schema: Schema, record: RecordType, fields: Mapping[str, Value], place: _Place
) -> Iterator[Fault]:
    for name, attribute in record.attributes.items():
        if attribute.required and name not in fields:
            inner = place.inside(name)
            yield Fault(f"{place.owner} has no attribute {shown(inner.text)}, which is required", place.steps)
    for name, value in fields.items():
        inner = place.inside(name)
        if name in record.attributes:
            yield from _value_faults(schema, record.attributes[name].type, value, inner)
            continue
        known = record.attributes
        help = guess(name, known, FEW) or (listed("the attributes are", known) if known else "there are no attributes")
        yield Fault(f"{place.owner} has the attribute {shown(inner.text)}, which is not declared", inner.steps, help)


def _value_faults(schema: Schema, type: Type, value: Value, place: _Place) -> Iterator[Fault]:
    if value.__class__ is not value_class(type):
        yield _misfit(type, value, place)
        return
    match type:
        case PrimitiveType() | ExtensionType():
            pass
        case ReferenceType(entity_type):
            if isinstance(value, EntityUID):
                if value.type != entity_type:
                    yield _misfit(type, value, place)
                else:
                    yield from _id_faults(schema, value, place.steps)
        case SetType(element):
            if isinstance(value, Set):
                for member in value.elements:
                    yield from _value_faults(schema, element, member, place.element())
        case RecordType():
            if isinstance(value, Record):
                yield from _attribute_faults(schema, type, value.fields, place)
        case _:
            assert_never(type)


def _misfit(type: Type, value: Value, place: _Place) -> Fault:
    return Fault(f"{place} must be {show(type)}, found {_found(value)}", place.steps)


def _found(value: Value) -> str:
    match value:
        case EntityUID():
            return cut(value.type)
        case Set() | Record():
            return f"a {type_name(value)}"
        case _:
            return _NAMES[value.__class__]
