"""The cache that is never stale: an answer that was made before is given again where the same would be made anew.

What it gives is exactly what `evaluating` would: the decision, the reasons, the obligations, `valid_until`, and the
revisions of the world that answers now. Requests that are equal in all that an answer is made of share one
(`cachekey`). Answers that name an error, and refusals that no policy made, are not kept.

Why no answer is stale
----------------------
An entry's stamp is replaced whole. It says: this verdict was the answer of the world at moment m of the history, from
instant `since` on and before `until`; and it depended on these facts. A moment stands for a world: each one that is
published has its own. (The world itself would be kept from being freed.)

1.  A stamp is true when it is made. The verdict was evaluated from that immutable world at `since`, and by time alone
    nothing of it changes before `valid_until`.
2.  A stamp is given out for its own moment only, to a request that has read the world of that moment as the current
    one; and for no instant outside of [since, until), so that a clock that is set back brings nothing back either.
3.  A stamp of an earlier moment, never of a later one, is given out only after it was found that none of the facts that
    it depended on has changed since. The evaluation of the world of now would read those facts and no other ones, by
    induction over its steps: each reads what the same values before it lead to. Then the stamp is made anew for this
    moment.
4.  `publish` puts the new world in place, and then tells this cache (`changed`) before it returns; whoever acknowledges
    a change does it after that. A request that begins after the acknowledgement reads the new world, or a newer one.
    By 2 and 3 it gets no answer that the change affects: to replace the world is to drop them, all in one step, however
    many they are. (What they take of the memory is given back when they are asked for, or when their turn comes.)
5.  A request that read the world before the change may still be evaluating when the change is acknowledged. What it
    stores is stamped with the moment that it began with, never with the one of now: 3 sees the change. It stores under
    the lock, and only while its moment is the one of now; `changed` goes on to the next under the same lock. So an
    entry's stamps only go forward, and nothing comes into a store that has been given up.
6.  Between the replacement of the world and the end of `changed`, the state's world is not the current one. Nothing is
    given out or stored then.
"""

from collections.abc import Callable
from threading import Lock
from typing import Final, final

from pdp.cedar.values import EntityUID
from pdp.config import FreshnessConfig
from pdp.engine.cachekey import Key, Keys
from pdp.engine.cachestore import MOST_USES, Entry, Shared, Stamp, Store
from pdp.engine.changes import Change
from pdp.engine.coalescing import Flight, Flights
from pdp.engine.decider import CheckRequest, Verdict
from pdp.engine.dependencies import Dependencies, History, depending
from pdp.engine.enrich import Enriched
from pdp.engine.evaluating import evaluate
from pdp.engine.snapshot import CurrentWorld, World
from pdp.telemetry.cache import CacheFigures

_NEVER: Final = 2**63
"""Later than every instant."""


@final
class _State:
    """What answers are kept for one world, and by which keys. Replaced whole when the world is."""

    __slots__ = ("keys", "moment", "revision", "store", "world")

    def __init__(self, world: World, keys: Keys, store: Store, moment: int) -> None:
        self.world: Final = world
        self.keys: Final = keys
        self.store: Final = store
        self.moment: Final = moment
        self.revision: Final = world.context_revision


@final
class Caching:
    """Gives the answers of `evaluate` for the current world; see the module's docstring.

    `now` gives milliseconds since 1970 UTC and is read once per request. `limit` is in bytes.
    """

    def __init__(
        self,
        current: CurrentWorld,
        ages: FreshnessConfig,
        now: Callable[[], int],
        limit: int,
        flights: "Flights[Stamp] | None" = None,
    ) -> None:
        self._current: Final = current
        self._ages: Final = ages
        self._now: Final = now
        self._limit: Final = limit
        self._flights: Final[Flights[Stamp]] = Flights() if flights is None else flights
        self._lock: Final = Lock()
        # Written under _lock, read without it.
        self._history: Final = History()
        self._state: _State | None = None
        # Counted without a lock: CPython does not switch threads in the midst of an addition to an attribute.
        self._hits = self._misses = self._coalesced = self._uncacheable = self._invalidated = self._evicted = 0
        current.listen(self.changed)

    def decide(self, request: CheckRequest) -> Verdict:
        """The answer."""
        state = self._state
        world = self._current.world
        if state is None or state.world is not world:
            self._uncacheable += 1
            return evaluate(world, request, self._now(), self._ages).verdict
        now = self._now()
        key = state.keys.of(request)
        entry = state.store.entries.get(key)
        if entry is not None and (stamp := entry.stamp) is not None:
            moment, since, until, verdict, _ = stamp
            if moment == state.moment and since <= now < until and request.min_revision <= state.revision:
                if entry.uses < MOST_USES:
                    entry.uses += 1
                self._hits += 1
                return verdict
        return self._miss(state, key, entry, request, now)

    def changed(self, world: World, change: Change) -> None:
        """The world was replaced by this one: drop what the change affects. Called by one thread at a time."""
        state = self._state
        anew = state is None or change.everything or any(uid in world.schema.actions for uid in change.entities)
        keys = Keys(world) if state is None or anew else state.keys
        with self._lock:
            # In this order: who sees the new state must see what changed.
            moment = self._history.add(Change() if anew else change)
            if state is None or anew:
                # Keys are of the policies, and of the groups of actions: with those, all entries go.
                if state is not None:
                    self._invalidated += len(state.store.entries)
                    self._evicted += state.store.evicted
                self._state = _State(world, keys, Store(self._limit), moment)
            else:
                self._state = _State(world, keys, state.store, moment)

    def figures(self) -> CacheFigures:
        """What happened so far, and what is kept now."""
        state = self._state
        return CacheFigures(
            hits=self._hits,
            misses=self._misses,
            coalesced=self._coalesced,
            uncacheable=self._uncacheable,
            invalidated=self._invalidated,
            evicted=self._evicted + (0 if state is None else state.store.evicted),
            entries=0 if state is None else len(state.store.entries),
            bytes=0 if state is None else state.store.bytes,
            limit=self._limit,
        )

    def _miss(self, state: _State, key: Key | None, entry: Entry | None, request: CheckRequest, now: int) -> Verdict:
        if key is None or request.min_revision > state.revision:
            self._uncacheable += 1
            return evaluate(state.world, request, now, self._ages).verdict
        stamp = None if entry is None else entry.stamp
        # A stamp that is later than the state is the answer of a world that this request has not read.
        if entry is not None and stamp is not None and stamp[0] < state.moment and stamp[1] <= now < stamp[2]:
            if self._history.unchanged(stamp[4], stamp[0]):
                self._hits += 1
                return self._confirm(state, entry, stamp)
            self._invalidated += 1
        self._misses += 1
        mine = Flight[Stamp]()
        question = (state, key)
        flight = self._flights.join(question, mine)
        if flight is not mine:
            answer = self._flights.wait(flight)
            if answer is not None and answer[1] <= now < answer[2]:
                self._coalesced += 1
                return answer[3]
            return self._evaluate(state, key, request, now)[0]
        try:
            verdict, mine.answer = self._evaluate(state, key, request, now)
            return verdict
        finally:
            self._flights.end(question, mine)

    def _evaluate(self, state: _State, key: Key, request: CheckRequest, now: int) -> tuple[Verdict, Stamp | None]:
        """The verdict of the state's world; it is kept, and stamped, if it is one to keep."""
        reads: set[EntityUID] = set()
        evaluated = evaluate(state.world, request, now, self._ages, reads)
        verdict, enriched = evaluated.verdict, evaluated.enriched
        until = _NEVER if verdict.valid_until is None else verdict.valid_until
        if enriched is None or verdict.errors or until <= now:
            with self._lock:
                if self._state is state:
                    state.store.discard(key)
            return verdict, None
        facts = _dependencies(request, enriched, reads)
        with self._lock:
            # INVARIANT: nothing is stored that was not made from the world of now (5).
            if self._state is state:
                shared = state.store.share(verdict)
                verdict = _with(verdict, verdict.context_revision, shared)
                state.store.put(key, (state.moment, now, until, verdict, facts), shared)
        return verdict, (state.moment, now, until, verdict, facts)

    def _confirm(self, state: _State, entry: Entry, stamp: Stamp) -> Verdict:
        """The verdict of an earlier moment, found to be the answer at the state's moment as well."""
        _, since, until, verdict, facts = stamp
        verdict = _with(verdict, state.revision, verdict)
        with self._lock:
            # Not if the world has been replaced again, or another answer has come meanwhile.
            if self._state is state and entry.stamp is stamp:
                entry.stamp = (state.moment, since, until, verdict, facts)
        if entry.uses < MOST_USES:
            entry.uses += 1
        return verdict


def _with(verdict: Verdict, context_revision: int, said: Verdict | Shared) -> Verdict:
    """The verdict under a revision, and with what policies say as it is `said` elsewhere in the same words."""
    if said.policies is verdict.policies and context_revision == verdict.context_revision:
        return verdict
    return Verdict(
        verdict.decision,
        verdict.reason,
        said.message,
        said.policies,
        verdict.errors,
        said.obligations,
        verdict.policy_revision,
        context_revision,
        verdict.valid_until,
    )


def _dependencies(request: CheckRequest, enriched: Enriched, reads: set[EntityUID]) -> Dependencies:
    """What an answer was made from, `reads` being what policies looked up.

    Joining the facts looks up the principal, the groups that the credential says, the resource and, for the scopes of
    grants, the action; the posture of the device and of the principal; and who of the principal and its groups holds
    grants.
    """
    subject = request.subject
    principal = enriched.request.principal
    device = subject.device or request.device
    reads.update((principal, request.action, request.resource), subject.entity.parents)
    stored = enriched.entities.get(principal)
    holders = [principal] if stored is None else [principal, *stored.ancestors]
    return depending(reads, (principal,) if device is None else (principal, device), holders)
