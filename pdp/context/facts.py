"""Facts: entities, what a device or workload reports of itself, and who was granted what.

Times are milliseconds since 1970 UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import final

from pdp.cedar.entities import Entities
from pdp.cedar.values import EntityUID, Value


@unique
class Freshness(Enum):
    """How far a fact can be believed. A stale or unknown fact is absent; only its freshness is visible."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


@unique
class GrantStatus(Enum):
    """Where `now` stands in a grant's interval [not_before, expires_at); NONE when there is no grant at all."""

    ACTIVE = "active"
    EXPIRED = "expired"
    PENDING = "pending"
    NONE = "none"


@final
@dataclass(frozen=True, slots=True)
class Posture:
    """What one source observed of a device or a workload at one time."""

    subject: EntityUID
    source: str
    observed_at: int
    facts: Mapping[str, Value]


@final
@dataclass(frozen=True, slots=True)
class Grant:
    """An entitlement: a template link with an owner, a reason and an end. `id` is the link's policy id."""

    id: str
    template_id: str
    principal: EntityUID
    resource: EntityUID
    owner: str
    reason: str
    not_before: int
    expires_at: int


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is believed at one moment. Posture by its subject, grants by their id."""

    entities: Entities = field(default_factory=Entities)
    posture: Mapping[EntityUID, Posture] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
