"""Partial requests of random worlds: parts of a request forgotten and put back in other ways, with or without a schema.

The schema describes `strategies.universe`. A conforming world is a random one, repaired: what does not fit is left out
or replaced, so that whoever trusts the schema may.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from strategies import World, universe
from strategies.choices import Choices
from strategies.universe import EntityKind, Kind, RecordKind, SetKind

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.names import is_action_type
from pdp.cedar.request import Request
from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.schema.types import RecordType, ReferenceType, SetType, Type, value_class
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value, quote
from pdp.evaluate.partial import PartialContext, PartialRequest, Unknown

_NAMES: Final = {"bool": "Bool", "long": "Long", "string": "String"}


def _type(kind: Kind) -> str:
    match kind:
        case EntityKind(name):
            return name
        case SetKind(element):
            return f"Set<{_type(element)}>"
        case RecordKind(fields):
            return _record(fields)
        case _:
            return _NAMES.get(kind, kind)


def _record(fields: tuple[tuple[str, Kind], ...], one_in: int = 2) -> str:
    """A record type in which every so many fields are optional."""
    parts = [
        f"{quote(name)}{'?' if index % one_in else ''}: {_type(kind)}" for index, (name, kind) in enumerate(fields)
    ]
    return f"{{ {', '.join(parts)} }}"


def _entity_type(name: str) -> str:
    parents = ", ".join(universe.PARENT_TYPES[name])
    declared = name.removeprefix("App::")
    return f"entity {declared} in [{parents}] = {_record(universe.SHAPES[name])} tags {_type(universe.TAGS[name])};"


_CONTEXT: Final = universe.CONTEXT.fields

SCHEMA_TEXT: Final = f"""
{_entity_type("User")}
{_entity_type("Group")}
entity Ghost;
action all;
action changes in [all];
action read in [all] appliesTo {{
  principal: [User, Group], resource: [App::Doc, App::Folder, User], context: {_record(_CONTEXT)},
}};
action write in [changes] appliesTo {{ principal: [User], resource: [App::Doc], context: {_record(_CONTEXT, 3)} }};
action share appliesTo {{ principal: [User, App::Doc], resource: [App::Folder], context: {_record(_CONTEXT[:3])} }};
namespace App {{
  {_entity_type("App::Doc")}
  {_entity_type("App::Folder")}
  action view appliesTo {{ principal: User, resource: [Doc, User], context: {{ n: String, mfa?: Bool }} }};
}}
"""

SCHEMA: Final[Schema] = parse_schema(Source("universe", SCHEMA_TEXT))
_VIEW: Final = SCHEMA.actions[EntityUID("App::Action", "view")]
"""Stands for the one action of the universe that cannot be declared: `App::Action::"read"` would hide another one."""

_DEFAULTS: Final[Mapping[type, Value]] = {
    bool: True,
    int: 0,
    str: "",
    Decimal: Decimal(0),
    IPAddr: IPAddr(4, 0, 32),
    Datetime: Datetime(0),
    Duration: Duration(0),
    Set: Set(),
}


def _fits(value: Value, type: Type) -> bool:
    if value.__class__ is not value_class(type):
        return False
    match type, value:
        case ReferenceType(name), EntityUID():
            return value.type == name
        case SetType(element), Set():
            return all(_fits(member, element) for member in value.elements)
        case RecordType(), Record():
            return Record(_repaired(value.fields, type)) == value
        case _:
            return True


def _default(type: Type) -> Value:
    match type:
        case ReferenceType(name):
            return EntityUID(name, "a")
        case RecordType():
            return Record(_repaired({}, type))
        case _:
            return _DEFAULTS[value_class(type)]


def _repaired(fields: Mapping[str, Value], record: RecordType) -> dict[str, Value]:
    """The fields that are declared, each of its type; required ones that are missing have a value of no interest."""
    repaired: dict[str, Value] = {}
    for name, attribute in record.attributes.items():
        if name in fields and _fits(fields[name], attribute.type):
            repaired[name] = fields[name]
        elif attribute.required:
            repaired[name] = _default(attribute.type)
    return repaired


def _conforming_entity(entity: Entity) -> Entity:
    declared = SCHEMA.entity_types[entity.uid.type]
    assert declared.tags is not None
    return Entity(
        entity.uid,
        _repaired(entity.attrs, declared.attributes),
        frozenset(parent for parent in entity.parents if parent.type in declared.ancestors),
        {name: value for name, value in entity.tags.items() if _fits(value, declared.tags)},
    )


def _conforming_request(principal: EntityUID, action: Action, resource: EntityUID, context: Record) -> Request:
    """The request, its types and its context made such as the action is declared for."""

    def retyped(uid: EntityUID, types: frozenset[str]) -> EntityUID:
        return uid if uid.type in types else EntityUID(min(types), uid.id)

    return Request(
        retyped(principal, action.principal_types),
        action.uid,
        retyped(resource, action.resource_types),
        Record(_repaired(context.fields, action.context)),
    )


def conforming(world: World) -> World:
    """The world as the schema would have it."""
    entities = [_conforming_entity(entity) for entity in world.entities if not is_action_type(entity.uid.type)]
    store = Entities([*entities, *SCHEMA.action_entities()])
    requests = [
        _conforming_request(
            request.principal, SCHEMA.actions.get(request.action, _VIEW), request.resource, request.context
        )
        for request in world.requests
    ]
    assert all(map(SCHEMA.accepts_entity, store))
    assert all(map(SCHEMA.accepts_request, requests))
    return World(world.policies, store, tuple(requests))


def forget(choices: Choices, request: Request, entities: Entities) -> PartialRequest:
    """The request, parts of it forgotten: more of it the higher the choices are."""
    return PartialRequest(
        _forget_entity(choices, request.principal, entities),
        _forget_entity(choices, request.action, entities),
        _forget_entity(choices, request.resource, entities),
        _forget_context(choices, request.context),
    )


def _forget_entity(choices: Choices, uid: EntityUID, entities: Entities) -> EntityUID | Unknown:
    match choices.below(5):
        case 0 | 1:
            return uid
        case 2 | 3:
            return Unknown(uid.type, stored=choices.below(3) == 2 and uid in entities)
        case _:
            return Unknown(stored=choices.below(3) == 2 and uid in entities)


def _forget_context(choices: Choices, context: Record) -> PartialContext:
    known: dict[str, Value] = {}
    present: set[str] = set()
    optional: set[str] = set()
    for name, _ in _CONTEXT:
        match choices.below(5):
            case 0 | 1 if name in context.fields:
                known[name] = context.fields[name]
            case 2 | 3 if name in context.fields:
                present.add(name)
            case 4:
                optional.add(name)
            case _:
                pass
    others = not context.fields.keys() <= known.keys() | present | optional or choices.below(4) == 3
    return PartialContext(Record(known), frozenset(present), frozenset(optional), others)


def completions(
    choices: Choices, partial: PartialRequest, original: Request, world: World, *, typed: bool
) -> Iterator[Request]:
    """The request that parts were forgotten of, and others that complete what is left; `typed`: conforming ones."""
    yield original
    for other in world.requests:
        context = dict(other.context.fields) | partial.context.known.fields
        for name in partial.context.present:
            context.setdefault(name, original.context.fields[name])
        possible = partial.context.named
        context = {name: value for name, value in context.items() if name in possible or partial.context.others}
        request = Request(
            _completed(choices, partial.principal, original.principal, other.principal, world.entities),
            _completed(choices, partial.action, original.action, other.action, world.entities),
            _completed(choices, partial.resource, original.resource, other.resource, world.entities),
            Record(context),
        )
        if typed:
            action = SCHEMA.actions.get(request.action)
            if action is None or not action.principal_types:
                continue
            request = _conforming_request(request.principal, action, request.resource, request.context)
            if not partial.completed_by(request, world.entities):
                continue
        yield request


def _completed(
    choices: Choices, known: EntityUID | Unknown, original: EntityUID, other: EntityUID, entities: Entities
) -> EntityUID:
    """What an unknown may turn out to be: mostly an entity of the store, or one of another request."""
    if isinstance(known, EntityUID):
        return known
    stored = [entity.uid for entity in entities if known.type in (None, entity.uid.type)]
    if stored and choices.below(2):
        return choices.pick(stored[:200])
    if known.type in (None, other.type) and not known.stored:
        return other
    return original


def _finer(choices: Choices, partial: PartialRequest, completion: Request) -> PartialRequest:
    """The partial request with some unknowns as in a completion of it."""
    context, fields = partial.context, completion.context.fields
    known = {name for name in fields if name in context.known.fields or choices.below(2)}
    optional = frozenset(name for name in context.optional - known if name in fields or choices.below(2))
    unnamed = fields.keys() - known - context.present - optional
    return PartialRequest(
        completion.principal if choices.below(2) else partial.principal,
        completion.action if choices.below(2) else partial.action,
        completion.resource if choices.below(2) else partial.resource,
        PartialContext(
            Record({name: fields[name] for name in known}),
            context.present - known,
            optional,
            context.others and (bool(unnamed) or choices.below(2) == 1),
        ),
    )


@dataclass(frozen=True)
class Question:
    """A world, a request of which parts are forgotten, some that complete it, and one of which less is forgotten."""

    world: World
    partial: PartialRequest
    completions: tuple[Request, ...]
    finer: PartialRequest


def question(world: World, entropy: bytes, *, typed: bool) -> Question:
    """One partial request of a world; with `typed`, of the conforming one."""
    choices = Choices(entropy)
    if typed:
        world = conforming(world)
    original = choices.pick(world.requests)
    partial = forget(choices, original, world.entities)
    completed = tuple(completions(choices, partial, original, world, typed=typed))
    assert all(partial.completed_by(request, world.entities) for request in completed)
    return Question(world, partial, completed, _finer(choices, partial, choices.pick(completed)))
