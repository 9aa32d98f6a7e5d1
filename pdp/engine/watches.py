"""News of changes, for callers that keep answers or sessions and must end those that are no longer right.

There is one list of changes, and each watcher has a place in it: how far it was told. So a watcher that is slow gets
what it missed in one piece, and one that comes again goes on where it was. The list is bounded, whoever watches: a
watcher to whose place it no longer goes back is told that everything changed.

A place holds for one list only. The list has a name that is made up at each start of the process: a place in another
one says nothing.
"""

import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from time import monotonic
from typing import Final, final

from pdp.cedar.values import EntityUID
from pdp.engine.changes import Change
from pdp.engine.reaching import Reach, literals
from pdp.engine.snapshot import World

MOST_KEPT: Final = 65_536
"""Names in the list of changes; each change counts as one more."""

MOST_TOLD: Final = 1_024
"""Names that are told at once; more are everything."""

_NOTHING: Final[frozenset[EntityUID]] = frozenset()
_PLACE: Final = re.compile(r"([0-9a-f]{16})-([0-9]{1,18})")


@final
@dataclass(frozen=True, slots=True)
class News:
    """What has changed after one place, up to another one, `place`; the revisions are those of there.

    `everything`, or the `entities` that the answers are about which may be others now.
    """

    place: str
    policy_revision: str
    context_revision: int
    everything: bool
    entities: frozenset[EntityUID]


@final
class Watches:
    """The list. Told by `CurrentWorld`; any number of threads may wait for news."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most: Final = most
        self._name: Final = secrets.token_hex(8)
        self._condition: Final = Condition()
        # guarded by: _condition
        self._world: World | None = None
        self._last = 0
        self._changes: Final[deque[frozenset[EntityUID] | None]] = deque()  # the last ones; None for everything
        self._names = 0
        self._closed = False
        self._policies = object()  # stands for the policies that the worlds since the last change of them have
        # Replaced whole, without the lock.
        self._literals: tuple[object, frozenset[EntityUID]] = object(), _NOTHING

    def changed(self, world: World, change: Change) -> None:
        """The world was replaced by this one."""
        touched = None if change.everything else change.touched
        with self._condition:
            self._world = world
            if touched is None:
                self._policies = object()
            self._last += 1
            self._changes.append(touched)
            self._names += _size(touched)
            while self._names > self._most:
                self._names -= _size(self._changes.popleft())
            self._condition.notify_all()

    def news(self, place: str, watched: frozenset[EntityUID]) -> News:
        """What has changed after a place, at once; everything, if it is not one of this list.

        About these entities, or, if there are none, about any: then those are named that have changed themselves, and a
        group stands for all that are in it. Before there is a world, its revisions are "" and 0.
        """
        with self._condition:
            world, last, policies = self._world, self._last, self._policies
            touched = self._after(place)
        if world is None:
            return News(self._write(last), "", 0, True, _NOTHING)
        if touched and watched:
            reach = Reach(world, self._named(world, policies))
            touched = frozenset(uid for uid in watched if reach.touches(uid, touched))
        everything = touched is None or len(touched) > MOST_TOLD
        told = _NOTHING if touched is None or everything else touched
        return News(self._write(last), world.policy_revision, world.context_revision, everything, told)

    def _named(self, world: World, policies: object) -> frozenset[EntityUID]:
        """The entities that the policies of a world name. There may be many policies, and they change seldom."""
        known, named = self._literals
        if known is not policies:
            named = literals(world.policies)
            self._literals = policies, named
        return named

    def wait(self, place: str, seconds: float, is_wanted: Callable[[], bool]) -> bool:
        """Returns when there is a change after a place, when the time is over, when it `is_wanted` no longer (and
        `wake` was called), or when the list is closed. Says whether neither of the last two is so.
        """
        end = monotonic() + seconds
        with self._condition:
            while self._write(self._last) == place and is_wanted() and not self._closed:
                left = end - monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            return is_wanted() and not self._closed

    def wake(self) -> None:
        """Have all who wait look whether they still want to."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _write(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _after(self, place: str) -> frozenset[EntityUID] | None:
        """All that was touched after a place; None for everything."""
        match = _PLACE.fullmatch(place)
        missed = -1 if match is None or match[1] != self._name else self._last - int(match[2])
        if not 0 <= missed <= len(self._changes):
            return None
        touched: set[EntityUID] = set()
        for change in list(self._changes)[len(self._changes) - missed :]:
            if change is None:
                return None
            touched |= change
        return frozenset(touched)


def _size(touched: frozenset[EntityUID] | None) -> int:
    return 1 if touched is None else 1 + len(touched)
