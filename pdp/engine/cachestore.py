"""Where cached answers are kept: bounded by bytes, and built to lose what is asked once before what is asked again.

It is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): three queues and no order to
keep up at a hit, so that readers take no lock.

    small    a tenth of the space. Every answer begins here, and goes on to `main` if it was asked for again
    main     goes around: what was asked for since the last time stays, what was not goes
    ghosts   the names of what left `small`, and nothing else of it. What is named here goes straight to `main`

So a flood of requests that never come again, however many, flows through `small` and leaves `main` alone. An LRU, or a
bound by time, would be emptied by it. TinyLFU resists a flood as well, but counts at every hit and ages its counters;
here a hit costs one increment.

Sizes are of CPython's objects, counted from above: an object that several answers share is counted with each of them,
but for what policies say (`Shared`), which most of the memory would be.
"""

import sys
from collections import deque
from collections.abc import Hashable
from typing import Any, Final, TypeAlias, final

from pdp.compiler.slices import Slice
from pdp.engine.cachekey import Key
from pdp.engine.decider import Verdict
from pdp.engine.dependencies import Dependencies

Stamp: TypeAlias = tuple[int, int, int, Verdict, Dependencies]
"""An answer: at this moment of the history it was so, from this instant on and before that one; and it depended on
these facts. Put in place whole: its parts belong together."""

MOST_USES: Final = 3
"""Uses that are told apart, at most: as many times `main` lets an answer pass without its being asked for."""

_SMALL: Final = 10
"""Of how many parts of the space `small` has one."""

_LARGEST: Final = 64
"""Of how many parts of the space one answer may have one."""

_GHOST: Final = 120
"""Bytes of a ghost: its number, its place in the queue and in the set."""

_SLOT: Final = 120
"""Bytes of an entry's places in the table and in a queue, room to grow included."""

_ENTRY: Final = 260
"""Bytes of an entry itself, and of what is lost between objects that come and go: an eighth of the space, after ten
million of them."""

_SHARED: Final = 120
"""Bytes of such an object itself."""


@final
class Shared:
    """What policies say in an answer, kept once for all answers that the same policies made."""

    __slots__ = ("message", "name", "obligations", "policies", "uses", "weight")

    def __init__(self, name: Hashable, verdict: Verdict) -> None:
        self.name: Final = name
        self.message: Final = verdict.message
        self.policies: Final = verdict.policies
        self.obligations: Final = verdict.obligations
        self.uses = 0
        self.weight: Final = _weight_of_policies(verdict)


@final
class Entry:
    """A place for one key's answer. `uses` counts hits, up to `MOST_USES`; readers do it, without a lock."""

    __slots__ = ("is_main", "key", "shared", "stamp", "uses", "weight")

    def __init__(self, key: Key, stamp: Stamp, shared: Shared) -> None:
        self.key: Key | None = key
        self.stamp: Stamp | None = stamp
        self.shared = shared
        self.uses = 0
        self.weight = _weight_of_entry(key, stamp)
        self.is_main = False


@final
class Store:
    """Entries by key, within `limit` bytes. Every method is for a caller that holds the cache's lock; `entries` is read
    without it, and only looked up in.
    """

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self.entries: Final[dict[Key | None, Entry]] = {}
        self.bytes = 0
        self.evicted = 0
        self._shared: Final[dict[Hashable, Shared]] = {}
        self._small: Final[deque[Entry]] = deque()
        self._main: Final[deque[Entry]] = deque()
        self._small_bytes = 0
        self._ghosts: Final[set[int]] = set()
        self._ghost_queue: Final[deque[int]] = deque()

    def share(self, verdict: Verdict) -> Shared:
        """What policies say in this answer, as other answers have it already."""
        name = verdict.reason._value_, verdict.message, *[policy.id for policy in verdict.policies]
        shared = self._shared.get(name)
        if shared is None:
            return Shared(name, verdict)
        if shared.policies != verdict.policies or shared.obligations != verdict.obligations:
            # The id of a grant is given again. What it said before is still with answers that are not true any more.
            return Shared(object(), verdict)
        return shared

    def put(self, key: Key, stamp: Stamp, shared: Shared) -> None:
        """Keep an answer, in the place of the one of that key if there is any. One that is too large is not kept."""
        if _weight_of_entry(key, stamp) + shared.weight > self.limit // _LARGEST:
            self.discard(key)
            return
        entry = self.entries.get(key)
        if entry is None:
            self._insert(key, Entry(key, stamp, shared))
        else:
            self._renew(entry, Entry(key, stamp, shared))
        while self.bytes > self.limit:
            self._evict()

    def _insert(self, key: Key, entry: Entry) -> None:
        self.entries[key] = entry
        self._hold(entry.shared)
        self.bytes += entry.weight
        ghost = hash(key)
        if ghost in self._ghosts:
            self._ghosts.discard(ghost)
            self._enter_main(entry)
        else:
            self._small.append(entry)
            self._small_bytes += entry.weight

    def _renew(self, entry: Entry, new: Entry) -> None:
        more = new.weight - entry.weight
        self._hold(new.shared)
        self._release(entry.shared)
        entry.stamp, entry.shared, entry.weight = new.stamp, new.shared, new.weight
        self.bytes += more
        if not entry.is_main:
            self._small_bytes += more

    def discard(self, key: Key) -> None:
        """Forget an answer, if it is there. The place in its queue is left empty, and goes when its turn comes."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._empty(entry)

    def _empty(self, entry: Entry) -> None:
        self._release(entry.shared)
        more = _SLOT - entry.weight
        entry.key = entry.stamp = None
        entry.weight = _SLOT
        self.bytes += more
        if not entry.is_main:
            self._small_bytes += more

    def _hold(self, shared: Shared) -> None:
        if shared.uses == 0:
            self._shared[shared.name] = shared
            self.bytes += shared.weight
        shared.uses += 1

    def _release(self, shared: Shared) -> None:
        shared.uses -= 1
        if shared.uses == 0:
            del self._shared[shared.name]
            self.bytes -= shared.weight

    def _enter_main(self, entry: Entry) -> None:
        entry.uses = 0
        entry.is_main = True
        self._main.append(entry)

    def _evict(self) -> None:
        """Take one step towards less: an entry goes, or goes on."""
        if self._small and (self._small_bytes > self.limit // _SMALL or not self._main):
            entry = self._small.popleft()
            self._small_bytes -= entry.weight
            if entry.uses > 1:
                self._enter_main(entry)
                return
            if entry.key is not None:
                self._remember(hash(entry.key))
            self._drop(entry)
        elif self._main:
            entry = self._main.popleft()
            if entry.uses > 0 and entry.key is not None:
                entry.uses -= 1
                self._main.append(entry)
            else:
                self._drop(entry)
        else:
            self._forget_ghost()

    def _drop(self, entry: Entry) -> None:
        if entry.key is not None:
            self.evicted += 1
            del self.entries[entry.key]
            self._release(entry.shared)
            # A reader may still hold the entry, with its last stamp: that stays as true as it was.
        self.bytes -= entry.weight

    def _remember(self, ghost: int) -> None:
        if ghost not in self._ghosts:
            self._ghosts.add(ghost)
            self._ghost_queue.append(ghost)
            self.bytes += _GHOST
        # As many as there are entries: what left longer ago had its chance.
        while len(self._ghost_queue) > len(self.entries):
            self._forget_ghost()

    def _forget_ghost(self) -> None:
        self._ghosts.discard(self._ghost_queue.popleft())
        self.bytes -= _GHOST


_WHOLE: Final = sys.getsizeof(2**62)


def weight_of(key: Any) -> int:
    """Bytes of a key and of all that is in it, except what it has of the policies."""
    if isinstance(key, tuple | frozenset):
        return sys.getsizeof(key) + sum(map(weight_of, key))
    return 0 if key is None or isinstance(key, Slice | type | bool) else sys.getsizeof(key)


def _weight_of_entry(key: Key, stamp: Stamp) -> int:
    """Bytes of an entry with all that it has to itself."""
    *_, verdict, facts = stamp
    own = sys.getsizeof(stamp) + 4 * _WHOLE + sys.getsizeof(verdict) + sys.getsizeof(facts)
    return _SLOT + _ENTRY + weight_of(key) + own


def _weight_of_policies(verdict: Verdict) -> int:
    """Bytes of what policies say. Annotations are the policies' own, the mapping around them is not."""
    policies = [sys.getsizeof(policy) + sys.getsizeof(policy.annotations) for policy in verdict.policies]
    obligations = [sys.getsizeof(duty) + sys.getsizeof(duty.argument) for duty in verdict.obligations]
    names = _SLOT + sys.getsizeof(verdict.policies) + sys.getsizeof(verdict.obligations)
    return _SHARED + names + sys.getsizeof(verdict.message) + sum(policies) + sum(obligations)
