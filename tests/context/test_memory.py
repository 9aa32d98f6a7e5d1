"""The store in memory keeps the contract of stores, and a bounded history."""

import pytest
from hypothesis import given
from store_contract import ANA, Hands, Log, StoreContract, logs, numbered, write_log

from pdp.clock import Clock
from pdp.context import memory
from pdp.context.changes import EntityKey
from pdp.context.memory import MemoryStore
from pdp.context.store import ContextStore, HistoryGoneError


class TestMemoryStore(StoreContract):
    def make(self, clock: Clock) -> ContextStore:
        return MemoryStore(clock)


@given(logs)
def test_the_facts_are_those_of_a_naive_replay_of_the_log(log: Log) -> None:
    hands = Hands()
    write_log(MemoryStore(hands), hands, log)


def test_history_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_HISTORY", 3)
    hands = Hands()
    store = MemoryStore(hands)
    for number in range(1, 6):
        hands.now = 1_000 * number
        store.write(numbered(number), "scim", number)
    with pytest.raises(HistoryGoneError):
        store.believed(EntityKey(ANA), 2_999)
    assert store.believed(EntityKey(ANA), 3_000) is not None
