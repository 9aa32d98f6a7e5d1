"""What changed between two worlds: for whoever keeps something that was made from the first."""

from dataclasses import dataclass
from typing import final

from pdp.cedar.values import EntityUID

_NONE: frozenset[EntityUID] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class Change:
    """What may be different in a world, compared with the one before it.

    `everything`: do not ask what; the other fields then mean nothing. Otherwise policies and schema are the same, and:
    `entities` came, went, or differ in attributes, tags, parents or ancestors (so an entity is named, too, when only
    what its groups are in is another); `posture` are the subjects whose report is another one; `grants` are the
    principals for whom a grant came, went or differs, as the grants name them: a group, not its members.

    INVARIANT: it may name too much, never too little.
    """

    everything: bool = False
    entities: frozenset[EntityUID] = _NONE
    posture: frozenset[EntityUID] = _NONE
    grants: frozenset[EntityUID] = _NONE

    @property
    def touched(self) -> frozenset[EntityUID]:
        """All that are named, for whatever reason."""
        return self.entities | self.posture | self.grants


EVERYTHING = Change(everything=True)
"""The change from a world of which nothing is known."""
