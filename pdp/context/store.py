"""The port behind which facts live. Writers get a revision; readers get an immutable snapshot and never wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final

from pdp.cedar.entities import Entities
from pdp.cedar.values import EntityUID
from pdp.context.facts import Grant, Posture


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is believed at one moment."""

    entities: Entities = field(default_factory=Entities)
    posture: Mapping[EntityUID, Posture] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class ContextSnapshot:
    """Facts and the revision that they stand at. Immutable: a reader may keep it as long as it likes."""

    revision: int
    facts: Facts


class ContextStore(Protocol):
    """A revisioned store of facts."""

    def snapshot(self) -> ContextSnapshot:
        """The newest facts. Never blocks, never raises; revision 0 with no facts before the first write."""
        ...

    def replace(self, facts: Facts) -> int:
        """Put these facts in place of all others and return their revision, which is visible on return.

        Revisions only grow. Facts equal in content to the present ones still get a revision of their own.
        """
        ...
