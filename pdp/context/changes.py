"""The changes that the context log holds, and the entries that they come in.

An entry is one write of one source: all of its changes hold from its revision on, or none does. Times are milliseconds
since 1970 UTC.
"""

from dataclasses import dataclass
from typing import TypeAlias, assert_never, final

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID, Value
from pdp.context.facts import Grant, Posture


class ChangeError(CedarError):
    """A change that contradicts the facts it is to change; nothing of its entry holds."""

    code = "change"


@final
@dataclass(frozen=True, slots=True)
class PutEntity:
    """An entity is as it says: attributes, parents and tags, whatever they were. Its `ancestors` do not matter.

    What another source set alone (`SetAttribute`) stays, unless the entity says it too and was observed later.
    """

    entity: Entity


@final
@dataclass(frozen=True, slots=True)
class DropEntity:
    """An entity is no more. One that is not there stays so. Who names it as a parent still does."""

    uid: EntityUID


@final
@dataclass(frozen=True, slots=True)
class SetAttribute:
    """One attribute of a stored entity has this value; None: the attribute is no more.

    Passed over if what was set alone before was observed later: signals may come out of order.
    """

    uid: EntityUID
    name: str
    value: Value | None


@final
@dataclass(frozen=True, slots=True)
class SetMembership:
    """A stored entity is, or is not, directly in another one. Who says so answers for the entity from then on."""

    uid: EntityUID
    group: EntityUID
    member: bool


@final
@dataclass(frozen=True, slots=True)
class PutPosture:
    """What is believed of a device or workload from now on; passed over if the present observation is newer."""

    posture: Posture


@final
@dataclass(frozen=True, slots=True)
class DropPosture:
    """Nothing is believed of that device or workload."""

    subject: EntityUID


@final
@dataclass(frozen=True, slots=True)
class PutGrant:
    """A grant is as it says."""

    grant: Grant


@final
@dataclass(frozen=True, slots=True)
class EndGrant:
    """A stored grant is over at an instant (ms), if not before. It stays, so that nobody takes it for a new one."""

    id: str
    at: int


@final
@dataclass(frozen=True, slots=True)
class DropGrant:
    """A grant is no more, as if it had never been. One that is not there stays so."""

    id: str


Change: TypeAlias = (
    PutEntity | DropEntity | SetAttribute | SetMembership | PutPosture | DropPosture | PutGrant | EndGrant | DropGrant
)


@final
@dataclass(frozen=True, slots=True)
class EntityKey:
    """What is said of an entity."""

    uid: EntityUID


@final
@dataclass(frozen=True, slots=True)
class PostureKey:
    """What is said of the posture of a device or workload."""

    subject: EntityUID


@final
@dataclass(frozen=True, slots=True)
class GrantKey:
    """What is said of a grant."""

    id: str


Key: TypeAlias = EntityKey | PostureKey | GrantKey
"""What can be changed by itself."""


def key_of(change: Change) -> Key:
    """What a change is about."""
    match change:
        case PutEntity(entity):
            return EntityKey(entity.uid)
        case DropEntity(uid) | SetAttribute(uid) | SetMembership(uid):
            return EntityKey(uid)
        case PutPosture(posture):
            return PostureKey(posture.subject)
        case DropPosture(subject):
            return PostureKey(subject)
        case PutGrant(grant):
            return GrantKey(grant.id)
        case EndGrant(id) | DropGrant(id):
            return GrantKey(id)
        case _:
            assert_never(change)


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """Who says so, since when, and in which revision we learned it."""

    source: str
    observed_at: int
    recorded_at: int
    revision: int


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One write, as the log holds it."""

    origin: Origin
    changes: tuple[Change, ...]
