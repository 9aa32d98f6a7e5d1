"""A resolved schema: every name is a full one, every hierarchy closed (`Cedar/Validation/Types.lean`: Schema).

Two texts that mean the same give equal schemas, whatever their format, order and use of common types.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, final

from pdp.cedar.entities import Entity
from pdp.cedar.request import Request
from pdp.cedar.schema.accept import AcceptsEntity, AcceptsRequest, Compiler, Ids
from pdp.cedar.schema.types import EMPTY_RECORD_TYPE, NO_ANNOTATIONS, Annotations, RecordType, Type
from pdp.cedar.values import EntityUID

_NO_TYPES: Final[frozenset[str]] = frozenset()
_NO_ACTIONS: Final[frozenset[EntityUID]] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class StandardEntityType:
    """An entity type with any ids. `ancestors` are the types of which an ancestor may be, closed transitively."""

    name: str
    attributes: RecordType = EMPTY_RECORD_TYPE
    tags: Type | None = None
    ancestors: frozenset[str] = _NO_TYPES
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)


@final
@dataclass(frozen=True, slots=True)
class EnumEntityType:
    """An entity type with exactly these ids; its entities have no attributes, no tags and no ancestors."""

    name: str
    ids: frozenset[str]
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)

    @property
    def attributes(self) -> RecordType:
        """None at all."""
        return EMPTY_RECORD_TYPE

    @property
    def tags(self) -> None:
        """No tags."""

    @property
    def ancestors(self) -> frozenset[str]:
        """No types."""
        return _NO_TYPES


EntityType: TypeAlias = StandardEntityType | EnumEntityType


@final
@dataclass(frozen=True, slots=True)
class Action:
    """An action, and the requests that may be made for it: principal and resource of these types, such a context.

    `ancestors` are its groups, closed transitively. An action that applies to nothing, a group, has no types and an
    empty context.
    """

    uid: EntityUID
    ancestors: frozenset[EntityUID] = _NO_ACTIONS
    principal_types: frozenset[str] = _NO_TYPES
    resource_types: frozenset[str] = _NO_TYPES
    context: RecordType = EMPTY_RECORD_TYPE
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)


@final
@dataclass(frozen=True, slots=True)
class Schema:
    """Entity types by full name and actions by uid. Every name in them is one of these.

    `ids` are the entity types, actions included, whose ids are declared one by one, with these ids.
    """

    entity_types: Mapping[str, EntityType]
    actions: Mapping[EntityUID, Action]
    ids: Ids = field(init=False, compare=False, repr=False)
    _accepts_entity: Mapping[str, AcceptsEntity] = field(init=False, compare=False, repr=False)
    _accepts_request: Mapping[EntityUID, AcceptsRequest] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        ids = _ids(self.entity_types.values(), self.actions)
        compiler = Compiler(ids)
        entities = {
            name: compiler.entity(name, declared.attributes, declared.tags, declared.ancestors)
            for name, declared in self.entity_types.items()
        }
        requests = {
            uid: compiler.request(action.principal_types, action.resource_types, action.context)
            for uid, action in self.actions.items()
        }
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "_accepts_entity", entities)
        object.__setattr__(self, "_accepts_request", requests)

    def accepts_entity(self, entity: Entity) -> bool:
        """Whether an entity is of a declared type and as declared; an action has all its groups and nothing else."""
        accepts = self._accepts_entity.get(entity.uid.type)
        if accepts is not None:
            return accepts(entity)
        action = self.actions.get(entity.uid)
        if action is None:
            return False
        return not entity.attrs and not entity.tags and entity.parents | entity.ancestors == action.ancestors

    def accepts_request(self, request: Request) -> bool:
        """Whether a request is one that its action is declared for."""
        accepts = self._accepts_request.get(request.action)
        return accepts is not None and accepts(request)

    def action_entities(self) -> tuple[Entity, ...]:
        """The actions as entities, to be part of every store. Their parents are closed: all their groups."""
        return tuple(Entity(action.uid, parents=action.ancestors) for action in self.actions.values())


def _ids(entity_types: Iterable[EntityType], actions: Iterable[EntityUID]) -> Ids:
    action_ids: defaultdict[str, set[str]] = defaultdict(set)
    for uid in actions:
        action_ids[uid.type].add(uid.id)
    ids = {name: frozenset(members) for name, members in action_ids.items()}
    for declared in entity_types:
        if isinstance(declared, EnumEntityType):
            ids[declared.name] = declared.ids
    return ids
