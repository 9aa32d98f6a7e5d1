"""What an answer depended on, and whether any of it has changed since.

An answer depends on its request, on the policies, and on facts of three kinds: entities, whether they were there or
not; reports of posture; and who holds grants. It keeps a number for each. Numbers are hashes: when two facts have the
same one, an answer is thought to have changed that has not, and is made anew; never the other way round.
"""

from array import array
from collections.abc import Iterable
from typing import Final, TypeAlias, final

from pdp.cedar.values import EntityUID
from pdp.engine.changes import Change

Dependencies: TypeAlias = "array[int]"

MOST_CHANGES: Final = 65_536
"""Changed facts that are remembered, in each of two halves: some 15 MB at most. An answer that was not asked for while
so many facts changed is made anew."""


_ENTITY, _POSTURE, _GRANTS = range(3)


def depending(
    entities: Iterable[EntityUID], posture: Iterable[EntityUID], holders: Iterable[EntityUID]
) -> Dependencies:
    """On these entities, on the posture of these, and on the grants of these."""
    return array(
        "q",
        [
            *[hash((_ENTITY, *uid)) for uid in entities],
            *[hash((_POSTURE, *uid)) for uid in posture],
            *[hash((_GRANTS, *uid)) for uid in holders],
        ],
    )


@final
class History:
    """Which facts changed when. A moment is a number that grows with each change.

    One writer at a time, who adds a change before anybody is told its moment; readers take no lock.
    """

    def __init__(self, most: int = MOST_CHANGES) -> None:
        self._most: Final = most
        self.now = 0
        # The moment of the last change of each fact. When the younger half is full, it becomes the older, and what was
        # in that is forgotten; nothing is known of moments before `since`, the youngest forgotten.
        self._younger: dict[int, int] = {}
        self._halves: tuple[dict[int, int], dict[int, int], int] = (self._younger, {}, 0)
        self._turned = 0

    def add(self, change: Change) -> int:
        """Note a change that is not of everything; gives its moment."""
        self.now += 1
        facts = depending(change.entities, change.posture, change.grants)
        if len(facts) > self._most:
            self._younger = {}
            self._halves = (self._younger, {}, self.now)
            self._turned = self.now
            return self.now
        if len(self._younger) + len(facts) > self._most:
            older = self._younger
            self._younger = {}
            self._halves = (self._younger, older, self._turned)
            self._turned = self.now - 1
        self._younger.update(dict.fromkeys(facts, self.now))
        return self.now

    def unchanged(self, facts: Dependencies, moment: int) -> bool:
        """Whether none of these has changed after a moment, as far as is known: not, if that is too long ago."""
        younger, older, since = self._halves
        if moment < since:
            return False
        for fact in facts:  # noqa: SIM110  # a generator costs more than the look-ups
            if younger.get(fact, 0) > moment or older.get(fact, 0) > moment:
                return False
        return True

    def __len__(self) -> int:
        """How many changes of facts are remembered."""
        younger, older, _ = self._halves
        return len(younger) + len(older)
