"""The store: bounded by its own account, which is no less than the truth, and deaf to floods."""

import random
import sys
import tracemalloc
from array import array
from typing import Any

from caching_worlds import AGES, NOW, a_model
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.compiler.slices import Slice
from pdp.engine.cachekey import Key
from pdp.engine.cachestore import MOST_USES, Stamp, Store, weight_of
from pdp.engine.caching import Caching
from pdp.engine.changes import EVERYTHING
from pdp.engine.decider import CheckRequest, DeterminingPolicy, Obligation, ReasonClass, Verdict
from pdp.engine.snapshot import CurrentWorld
from pdp.identity.subject import Method, Subject

DENIED = Verdict(Decision.DENY, ReasonClass.NOT_PERMITTED, "no policy permits this")
SLICE = Slice()


def a_key(name: str) -> Key:
    return SLICE, EntityUID("User", name), EntityUID("Document", name), None, ()


def a_stamp(verdict: Verdict = DENIED) -> Stamp:
    return 1, NOW, NOW + 1, verdict, array("q", range(6))


def put(store: Store, name: str, verdict: Verdict = DENIED) -> None:
    store.put(a_key(name), a_stamp(verdict), store.share(verdict))


def ask(store: Store, name: str) -> bool:
    """As the cache does: a hit is counted with the entry; a miss is put in."""
    entry = store.entries.get(a_key(name))
    if entry is None:
        put(store, name)
        return False
    entry.uses = min(MOST_USES, entry.uses + 1)
    return True


def allowed(*ids: str, reason: str = "because") -> Verdict:
    policies = tuple(DeterminingPolicy(id, Effect.PERMIT, {"reason": reason}) for id in ids)
    duties = tuple(Obligation("mask", "iban", id) for id in ids)
    return Verdict(Decision.ALLOW, ReasonClass.ALLOWED, reason, policies, (), duties)


def recount(store: Store) -> int:
    """The account, made anew from all that there is."""
    queued = [*store._small, *store._main]
    shared = {id(entry.shared): entry.shared.weight for entry in store.entries.values()}
    ghosts = 120 * len(store._ghost_queue)
    return sum(entry.weight for entry in queued) + sum(shared.values()) + ghosts


def test_what_is_put_is_there_until_it_is_discarded() -> None:
    store = Store(1 << 20)
    put(store, "a")
    entry = store.entries[a_key("a")]
    assert entry.stamp == a_stamp()
    store.discard(a_key("a"))
    assert a_key("a") not in store.entries
    assert [entry.key, entry.stamp] == [None, None]
    store.discard(a_key("a"))
    assert store.bytes == recount(store)


def test_another_answer_takes_the_place_of_the_one_before() -> None:
    store = Store(1 << 20)
    put(store, "a")
    entry = store.entries[a_key("a")]
    put(store, "a", allowed("p", "q"))
    assert store.entries[a_key("a")] is entry
    assert entry.stamp == a_stamp(allowed("p", "q"))
    assert len(store.entries) == len(store._small) == 1
    assert store.bytes == recount(store)


def test_what_the_same_policies_say_is_kept_once() -> None:
    store = Store(1 << 20)
    first, second = allowed("p"), allowed("p")
    put(store, "a", first)
    before = store.bytes
    put(store, "b", second)
    assert store.share(allowed("p")).policies is first.policies
    assert store.bytes - before == store.entries[a_key("b")].weight
    store.discard(a_key("a"))
    assert store.share(allowed("p")).policies is first.policies
    store.discard(a_key("b"))
    assert store.share(third := allowed("p")).policies is third.policies  # the last use has gone, and it with it


def test_policies_of_the_same_ids_that_say_something_else_are_not_taken_for_each_other() -> None:
    store = Store(1 << 20)
    old, new = allowed("grant/1"), Verdict(Decision.ALLOW, ReasonClass.ALLOWED, "because", allowed("grant/1").policies)
    put(store, "a", old)
    assert store.share(new).obligations == ()
    put(store, "b", new)
    store.discard(a_key("b"))
    assert store.share(allowed("grant/1")).policies is old.policies
    assert store.bytes == recount(store)


def test_one_that_is_too_large_is_not_kept_and_neither_is_the_one_before_it() -> None:
    store = Store(64 * 2_000)
    put(store, "a")
    store.put(a_key("a"), a_stamp(allowed(*[str(number) for number in range(50)])), store.share(DENIED))
    assert a_key("a") in store.entries  # the policies are not its own
    huge = (*a_stamp()[:4], array("q", range(1_000)))
    store.put(a_key("a"), huge, store.share(DENIED))
    assert store.entries == {}


def test_weights_count_what_is_in_a_key() -> None:
    text = "x" * 10_000
    assert weight_of(a_key(text)) > 20_000
    assert weight_of((SLICE, text, frozenset([(str, text + "y")]), None, True, bool)) > 20_000
    assert weight_of(SLICE) == weight_of(None) == weight_of(True) == weight_of(str) == 0
    assert weight_of(2**70) == sys.getsizeof(2**70)


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "put", "discard"]), st.integers(0, 400), st.integers(0, 3)), max_size=400
    ),
    st.sampled_from([130_000, 160_000, 300_000]),
)
def test_the_account_is_right_and_the_bound_is_kept(steps: list[tuple[str, int, int]], limit: int) -> None:
    store = Store(limit)
    for step, number, size in steps:
        name = "x" * 300 * size + str(number)
        if step == "ask":
            ask(store, name)
        elif step == "put":
            put(store, name, allowed(*[str(policy) for policy in range(size)]))
        else:
            store.discard(a_key(name))
        assert store.bytes <= limit
    assert store.bytes == recount(store)
    assert store._small_bytes == sum(entry.weight for entry in store._small)
    live = [entry for entry in (*store._small, *store._main) if entry.key is not None]
    assert {id(entry) for entry in live} == {id(entry) for entry in store.entries.values()}
    assert all(store.entries[entry.key] is entry for entry in live)
    assert {entry.shared.name for entry in live} == set(store._shared)


def test_a_flood_that_never_comes_again_leaves_what_comes_again() -> None:
    store, rng = Store(1 << 20), random.Random(7)
    regular = [f"regular-{number}" for number in range(300)]
    for _ in range(3):
        for name in regular:
            ask(store, name)
    hits = asked = 0
    for number in range(30_000):
        ask(store, f"stranger-{number}")
        if number % 4 == 0:
            asked += 1
            hits += ask(store, rng.choice(regular))
    assert hits / asked > 0.99
    assert len(store.entries) < 1_500


def test_regular_traffic_that_begins_in_a_flood_gets_in() -> None:
    store, rng = Store(1 << 20), random.Random(7)
    rates = []
    for number in range(60_000):
        ask(store, f"stranger-{number}")
        if number % 4 == 0:
            rates.append(ask(store, f"regular-{rng.randrange(300)}"))
    assert sum(rates[-5_000:]) / 5_000 > 0.95


def test_what_is_not_asked_any_more_makes_room() -> None:
    store = Store(1 << 20)
    for period in range(3):
        names = [f"period-{period}-{number}" for number in range(400)]
        for _ in range(12):
            for name in names:
                ask(store, name)
        assert sum(ask(store, name) for name in names) > 380


def test_real_answers_weigh_what_they_are_said_to() -> None:
    """The account is no less than what Python's own allocator has handed out."""
    current = CurrentWorld()
    cache = Caching(current, AGES, lambda: NOW, 1 << 24)
    current.publish(a_model().world(), EVERYTHING)

    def request(number: int) -> Any:
        subject = Subject(Entity(EntityUID("User", f"person-{number}")), Method.ASSERTED)
        return CheckRequest(subject, EntityUID("Action", "list"), EntityUID("Doc", f"document-{number}"))

    for number in range(100):
        cache.decide(request(number))
    tracemalloc.start()
    try:
        before = cache.figures().bytes
        for number in range(1_000, 4_000):
            cache.decide(request(number))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < cache.figures().bytes - before < 2 * taken
