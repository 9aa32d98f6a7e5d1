"""What every `ContextStore` must do. A test class of an implementation inherits `StoreContract` and gives `make`."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import pytest
from context_model import Contradiction, entries, replay, same
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError, EntityError
from pdp.cedar.values import EntityUID
from pdp.clock import Clock
from pdp.context.changes import (
    Change,
    ChangeError,
    DropEntity,
    DropGrant,
    EntityKey,
    GrantKey,
    PostureKey,
    PutEntity,
    PutGrant,
    PutPosture,
    SetAttribute,
    SetMembership,
)
from pdp.context.facts import Facts, Grant, Posture
from pdp.context.state import BelievedEntity, BelievedGrant
from pdp.context.store import ContextSnapshot, ContextStore

ANA, BEN = EntityUID("User", "ana"), EntityUID("User", "ben")
STAFF, ALL = EntityUID("Group", "staff"), EntityUID("Group", "all")
LAPTOP = EntityUID("Device", "laptop")
ORDER = EntityUID("Order", "1")


class Hands:
    """A clock whose hands are set by a test."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def numbered(number: int) -> tuple[Change, ...]:
    """Changes whose parts all hold the same number, so that a mixture of two of them is seen."""
    group = EntityUID("Group", str(number))
    return (
        PutEntity(Entity(ANA, {"number": number}, frozenset({group}))),
        PutPosture(Posture(LAPTOP, "mdm", number, {"number": number})),
        PutGrant(Grant("grant/1", "entitlement/x", ANA, ORDER, "owner", "reason", number, number + 1)),
    )


def number_of(facts: Facts) -> int:
    """The one number that facts made by `numbered` hold."""
    entity = facts.entities.get(ANA)
    assert entity is not None
    (group,) = entity.ancestors
    posture, grant = facts.posture[LAPTOP], facts.grants["grant/1"]
    numbers = {entity.attrs["number"], int(group.id), posture.observed_at, posture.facts["number"], grant.not_before}
    assert len(numbers) == 1, numbers
    return grant.not_before


class StoreContract(ABC):
    """The contract. Every test makes a store of its own."""

    @abstractmethod
    def make(self, clock: Clock) -> ContextStore:
        """A new store without facts."""

    @pytest.fixture
    def hands(self) -> Hands:
        return Hands()

    @pytest.fixture
    def store(self, hands: Hands) -> ContextStore:
        return self.make(hands)

    def test_before_the_first_write_there_is_nothing_at_revision_0(self, store: ContextStore) -> None:
        assert store.snapshot().revision == 0
        assert same(store.snapshot().facts, Facts())
        assert store.believed(EntityKey(ANA), 5_000) is None

    def test_a_write_is_visible_on_return_whole_and_under_its_revision(self, store: ContextStore) -> None:
        for number in range(1, 20):
            snapshot = store.write(numbered(number), "scim", number)
            assert snapshot.revision == number
            assert store.snapshot() == snapshot
            assert number_of(snapshot.facts) == number

    def test_also_a_write_without_a_change_is_a_revision(self, store: ContextStore) -> None:
        assert store.write((), "scim", 1).revision == 1
        store.write(numbered(1), "scim", 1)
        assert store.write((), "scim", 1).revision == store.snapshot().revision == 3
        assert number_of(store.snapshot().facts) == 1

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ([SetAttribute(BEN, "risk", 1)], ChangeError),
            ([SetMembership(BEN, STAFF, True)], ChangeError),
            ([PutEntity(Entity(BEN)), DropEntity(BEN), SetAttribute(BEN, "risk", 1)], ChangeError),
            ([PutEntity(Entity(STAFF, parents=frozenset({ALL}))), PutEntity(Entity(ALL, parents=frozenset({STAFF})))],
             EntityError),
            ([PutEntity(Entity(ALL, parents=frozenset({ALL})))], EntityError),
        ],
    )  # fmt: skip
    def test_a_write_that_contradicts_the_facts_changes_nothing(
        self, store: ContextStore, changes: list[Change], error: type[CedarError]
    ) -> None:
        before = store.write(numbered(1), "scim", 1)
        with pytest.raises(error):
            store.write([DropEntity(ANA), DropGrant("grant/1"), *changes], "scim", 2)
        assert store.snapshot() == before
        assert number_of(store.snapshot().facts) == 1
        assert store.write(numbered(2), "scim", 2).revision == 2

    def test_whoever_checks_a_write_can_refuse_it(self, store: ContextStore) -> None:
        seen: list[ContextSnapshot] = []

        def refuse(snapshot: ContextSnapshot) -> None:
            assert store.snapshot().revision == 0
            seen.append(snapshot)
            raise ChangeError("no")

        with pytest.raises(ChangeError, match="no"):
            store.write(numbered(7), "scim", 1, refuse)
        assert (store.snapshot().revision, number_of(seen[0].facts)) == (0, 7)
        assert store.believed(EntityKey(ANA), 5_000) is None
        assert store.write(numbered(8), "scim", 1).revision == 1

    def test_a_change_of_a_group_reaches_all_below_it(self, store: ContextStore) -> None:
        store.write(
            [PutEntity(Entity(ANA, parents=frozenset({STAFF}))), PutEntity(Entity(STAFF, parents=frozenset({ALL})))],
            "scim",
            1,
        )
        kept = store.snapshot()
        store.write([SetMembership(STAFF, ALL, False)], "scim", 2)
        before, after = kept.facts.entities.get(ANA), store.snapshot().facts.entities.get(ANA)
        assert before is not None
        assert after is not None
        assert (before.ancestors, after.ancestors) == (frozenset({STAFF, ALL}), frozenset({STAFF}))

    def test_signals_out_of_order(self, store: ContextStore) -> None:
        store.write([PutEntity(Entity(ANA))], "scim", 1)
        store.write([SetAttribute(ANA, "risk", "high"), PutPosture(Posture(LAPTOP, "mdm", 9, {}))], "ssf", 9)
        store.write([SetAttribute(ANA, "risk", "low"), PutPosture(Posture(LAPTOP, "mdm", 8, {"x": 1}))], "ssf", 8)
        facts = store.snapshot().facts
        ana = facts.entities.get(ANA)
        assert ana is not None
        assert (ana.attrs, facts.posture[LAPTOP].observed_at) == ({"risk": "high"}, 9)

    def test_what_a_source_set_alone_survives_another_sources_word_on_the_entity(self, store: ContextStore) -> None:
        store.write([PutEntity(Entity(ANA, {"level": 1}))], "scim", 1)
        store.write([SetAttribute(ANA, "risk", "high")], "ssf", 2)
        store.write([PutEntity(Entity(ANA, {"level": 2}))], "scim", 3)
        believed = store.believed(EntityKey(ANA), 5_000)
        assert isinstance(believed, BelievedEntity)
        assert believed.entity.attrs == {"level": 2, "risk": "high"}
        assert (believed.origin.source, believed.origin.revision) == ("scim", 3)
        assert {name: origin.source for name, origin in believed.attribute_origins.items()} == {"risk": "ssf"}

    def test_what_was_believed_when_and_from_whom(self, store: ContextStore, hands: Hands) -> None:
        store.write(numbered(1), "scim", 11)
        hands.now = 2_000
        store.write([PutEntity(Entity(BEN))], "mdm", 22)
        hands.now = 3_000
        store.write(numbered(3), "ssf", 33)
        hands.now = 4_000
        store.write([DropEntity(ANA), DropGrant("grant/1")], "admin", 44)
        for instant, number, source in ((1_000, 1, "scim"), (2_999, 1, "scim"), (3_000, 3, "ssf"), (3_999, 3, "ssf")):
            ana, grant = store.believed(EntityKey(ANA), instant), store.believed(GrantKey("grant/1"), instant)
            assert isinstance(ana, BelievedEntity)
            assert isinstance(grant, BelievedGrant)
            assert (ana.entity.attrs, grant.grant.not_before) == ({"number": number}, number)
            assert ana.origin == grant.origin
            assert (ana.origin.source, ana.origin.observed_at) == (source, 11 * number)
        assert store.believed(EntityKey(ANA), 999) is store.believed(EntityKey(ANA), 4_000) is None
        assert store.believed(PostureKey(LAPTOP), 4_000) is not None
        assert store.believed(PostureKey(ANA), 4_000) is None

    def test_a_clock_that_is_set_back_reorders_nothing(self, store: ContextStore, hands: Hands) -> None:
        store.write(numbered(1), "scim", 1)
        hands.now -= 600_000
        store.write(numbered(2), "scim", 2)
        believed = store.believed(EntityKey(ANA), 1_000)
        assert isinstance(believed, BelievedEntity)
        assert believed.entity.attrs == {"number": 2}

    def test_stores_are_independent(self, hands: Hands) -> None:
        first, second = self.make(hands), self.make(hands)
        first.write(numbered(1), "scim", 1)
        assert second.snapshot().revision == 0

    def test_a_snapshot_that_is_kept_does_not_change(self, store: ContextStore) -> None:
        kept = store.write(numbered(1), "scim", 1)
        for number in range(2, 5):
            store.write(numbered(number), "scim", number)
        assert (number_of(kept.facts), kept.revision) == (1, 1)

    def test_a_snapshot_cannot_be_written_to(self, store: ContextStore) -> None:
        facts = store.write(numbered(1), "scim", 1).facts
        attempts: list[Callable[[], object]] = [
            lambda: setattr(facts, "grants", ()),
            lambda: facts.posture.update({}) is facts.posture or facts.posture.clear(),  # type: ignore[attr-defined]  # it must not have them
            lambda: facts.grants.clear(),  # type: ignore[attr-defined]  # the same
        ]
        for attempt in attempts:
            with pytest.raises(AttributeError):
                attempt()
        assert number_of(store.snapshot().facts) == 1

    def test_readers_never_see_a_mixture_nor_time_running_backwards(self, store: ContextStore) -> None:
        store.write(numbered(0), "scim", 0)
        written = threading.Event()
        failures: list[str] = []

        def read() -> None:
            newest = 0
            while not written.is_set():
                snapshot = store.snapshot()
                if snapshot.revision < newest:
                    failures.append(f"{newest} and then {snapshot.revision}")
                newest = snapshot.revision
                try:
                    number_of(snapshot.facts)
                except AssertionError as mixture:
                    failures.append(str(mixture))

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, 25):
            store.write(numbered(number), "scim", number)
        written.set()
        for reader in readers:
            reader.join()
        assert failures == []

    def test_concurrent_writers_get_revisions_of_their_own(self, store: ContextStore) -> None:
        given: list[int] = []

        def write(first: int) -> None:
            for number in range(first, first + 20):
                snapshot = store.write([PutEntity(Entity(EntityUID("User", str(number))))], "scim", 1)
                assert store.snapshot().revision >= snapshot.revision
                given.append(snapshot.revision)

        writers = [threading.Thread(target=write, args=(100 * writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(given) == list(range(1, 81))
        assert len(store.snapshot().facts.entities) == 80


Log: TypeAlias = list[tuple[tuple[Change, ...], str, int]]

logs: st.SearchStrategy[Log] = st.lists(entries, max_size=6)


def write_log(store: ContextStore, hands: Hands, log: Log) -> None:
    """Write a log from 1 s on, a millisecond for each entry; after each, compare with a naive replay of all so far."""
    accepted: Log = []
    for number, entry in enumerate(log):
        hands.now = 1_000 + number
        try:
            expected = replay([*accepted, entry]).facts()
        except (Contradiction, EntityError):
            with pytest.raises((ChangeError, EntityError)):
                store.write(*entry)
            continue
        store.write(*entry)
        accepted.append(entry)
        assert same(store.snapshot().facts, expected)
