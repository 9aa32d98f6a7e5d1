"""What every `ContextStore` must do. A test class of an implementation inherits `StoreContract` and gives `make`."""

import dataclasses
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.values import EntityUID
from pdp.context.facts import Grant, Posture
from pdp.context.store import ContextStore, Facts

ANA = EntityUID("User", "ana")
LAPTOP = EntityUID("Device", "laptop")
ORDER = EntityUID("Order", "1")


def numbered(number: int) -> Facts:
    """Facts whose parts all hold the same number, so that a mixture of two of them is seen."""
    return Facts(
        Entities([Entity(ANA, {"number": number}, frozenset({EntityUID("Group", str(number))}))]),
        {LAPTOP: Posture(LAPTOP, "mdm", number, {"number": number})},
        (Grant(f"grant/{number}", "entitlement/x", ANA, ORDER, "owner", "reason", number, number + 1),),
    )


def number_of(facts: Facts) -> int:
    """The one number that facts made by `numbered` hold."""
    entity = facts.entities.get(ANA)
    assert entity is not None
    (group,) = entity.ancestors
    (grant,) = facts.grants
    posture = facts.posture[LAPTOP]
    numbers = {entity.attrs["number"], int(group.id), posture.observed_at, posture.facts["number"], grant.not_before}
    assert len(numbers) == 1, numbers
    return grant.not_before


def same(left: Facts, right: Facts) -> bool:
    """Equal in content."""
    mine, yours = ({entity.uid: entity for entity in facts.entities} for facts in (left, right))
    return (
        mine.keys() == yours.keys()
        and all(mine[uid].same_as(yours[uid]) for uid in mine)
        and dict(left.posture) == dict(right.posture)
        and left.grants == right.grants
    )


class StoreContract(ABC):
    """The contract. Every test makes a store of its own."""

    @abstractmethod
    def make(self) -> ContextStore:
        """A new store without facts."""

    def test_before_the_first_write_there_is_nothing_at_revision_0(self) -> None:
        snapshot = self.make().snapshot()
        assert snapshot.revision == 0
        assert same(snapshot.facts, Facts())

    def test_a_write_is_visible_on_return_whole_and_under_its_revision(self) -> None:
        store = self.make()
        for number in range(1, 20):
            revision = store.replace(numbered(number))
            snapshot = store.snapshot()
            assert snapshot.revision == revision
            assert same(snapshot.facts, numbered(number))

    def test_a_write_replaces_everything(self) -> None:
        store = self.make()
        store.replace(numbered(1))
        store.replace(Facts())
        assert same(store.snapshot().facts, Facts())

    def test_revisions_only_grow_also_for_equal_facts(self) -> None:
        store = self.make()
        facts = numbered(1)
        revisions = [store.replace(facts) for _ in range(3)] + [store.replace(numbered(1)), store.replace(Facts())]
        assert revisions[0] > 0
        assert revisions == sorted(set(revisions))

    def test_stores_are_independent(self) -> None:
        first, second = self.make(), self.make()
        first.replace(numbered(1))
        assert second.snapshot().revision == 0

    def test_a_snapshot_that_is_kept_does_not_change(self) -> None:
        store = self.make()
        store.replace(numbered(1))
        kept = store.snapshot()
        revision = kept.revision
        for number in range(2, 5):
            store.replace(numbered(number))
        assert number_of(kept.facts) == 1
        assert kept.revision == revision < store.snapshot().revision

    def test_a_snapshot_cannot_be_written_to(self) -> None:
        store = self.make()
        store.replace(numbered(1))
        snapshot = store.snapshot()
        attempts: list[Callable[[], object]] = [
            lambda: setattr(snapshot, "revision", 9),
            lambda: setattr(snapshot, "facts", Facts()),
            lambda: setattr(snapshot.facts, "grants", ()),
            lambda: snapshot.facts.posture.update({}),  # type: ignore[attr-defined]  # it must not have it
            lambda: snapshot.facts.grants.append(None),  # type: ignore[attr-defined]  # the same
        ]
        for attempt in attempts:
            with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
                attempt()

    def test_what_the_writer_does_to_its_own_data_afterwards_is_not_seen(self) -> None:
        store = self.make()
        facts = numbered(1)
        posture = dict(facts.posture)
        store.replace(dataclasses.replace(facts, posture=posture))
        snapshot = store.snapshot()
        posture.clear()
        assert number_of(snapshot.facts) == 1
        assert number_of(store.snapshot().facts) == 1

    def test_readers_never_see_a_mixture_nor_time_running_backwards(self) -> None:
        store = self.make()
        store.replace(numbered(0))
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

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(1, 150):
            store.replace(numbered(number))
        written.set()
        for reader in readers:
            reader.join()
        assert failures == []

    def test_concurrent_writers_get_revisions_of_their_own_and_the_newest_wins(self) -> None:
        store = self.make()
        given: list[tuple[int, int]] = []

        def write(first: int) -> None:
            for number in range(first, first + 25):
                revision = store.replace(numbered(number))
                assert store.snapshot().revision >= revision
                given.append((revision, number))

        writers = [threading.Thread(target=write, args=(100 * writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len({revision for revision, _ in given}) == len(given) == 100
        revision, number = max(given)
        assert store.snapshot().revision == revision
        assert number_of(store.snapshot().facts) == number
