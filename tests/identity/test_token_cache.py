"""What is remembered by the hash of a whole token, for how long, and what goes first."""

import random
import threading
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pdp.identity.token_cache import TokenCache, token_key

NOW = 1_772_445_600_000


def key(number: int) -> bytes:
    return token_key(f"token {number}")


def test_the_key_is_of_the_whole_token() -> None:
    assert token_key("abc") == sha256(b"abc").digest()
    assert token_key("é\ud800") != token_key("é\ud801")


@given(st.text(max_size=40), st.integers(0, 39), st.characters())
def test_a_token_that_differs_anywhere_is_not_found(token: str, place: int, character: str) -> None:
    other = token[:place] + character + token[place + 1 :]
    cache: TokenCache[str] = TokenCache(10, 100)
    cache.put(token_key(token), "kept", NOW + 1, 1)
    assert (cache.get(token_key(other), NOW) == "kept") is (other == token)


def test_it_is_kept_until_its_end_and_not_at_it() -> None:
    cache: TokenCache[str] = TokenCache(10, 100)
    cache.put(key(1), "kept", NOW, 1)
    assert cache.get(key(1), NOW - 1) == "kept"
    assert cache.get(key(1), NOW) is None
    assert cache.get(key(1), NOW - 1) == "kept", "time may be set back"


def test_a_later_value_takes_the_place_of_an_earlier_one() -> None:
    cache: TokenCache[str] = TokenCache(10, 100)
    cache.put(key(1), "one", NOW + 1, 60)
    cache.put(key(1), "two", NOW + 1, 70)
    assert (cache.get(key(1), NOW), len(cache), cache.weight) == ("two", 1, 70)


@pytest.mark.parametrize(("entries", "weight"), [(3, 1000), (1000, 3)])
def test_what_was_not_used_goes_first(entries: int, weight: int) -> None:
    cache: TokenCache[int] = TokenCache(entries, weight)
    for number in range(3):
        cache.put(key(number), number, NOW + 1, 1)
    assert cache.get(key(0), NOW) == 0
    cache.put(key(3), 3, NOW + 1, 1)
    assert [cache.get(key(number), NOW) for number in range(4)] == [0, None, 2, 3]


def test_one_heavy_value_may_drive_out_many() -> None:
    cache: TokenCache[int] = TokenCache(100, 100)
    for number in range(10):
        cache.put(key(number), number, NOW + 1, 10)
    cache.put(key(10), 10, NOW + 1, 95)
    assert [number for number in range(11) if cache.get(key(number), NOW) is not None] == [10]
    assert cache.weight == 95


def test_what_is_too_heavy_drives_out_nothing() -> None:
    cache: TokenCache[int] = TokenCache(100, 100)
    cache.put(key(1), 1, NOW + 1, 100)
    cache.put(key(2), 2, NOW + 1, 101)
    assert (cache.get(key(1), NOW), cache.get(key(2), NOW)) == (1, None)


def test_a_cache_of_nothing_keeps_nothing() -> None:
    cache: TokenCache[int] = TokenCache(0, 100)
    cache.put(key(1), 1, NOW + 1, 1)
    assert (cache.get(key(1), NOW), len(cache)) == (None, 0)


class Machine(RuleBasedStateMachine):
    """Against a dictionary that remembers everything: what is found was put there last, and bounds hold."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: TokenCache[int] = TokenCache(5, 20)
        self.last: dict[int, tuple[int, int, int]] = {}
        self.puts = 0

    @rule(number=st.integers(0, 9), end=st.integers(0, 5), weight=st.integers(1, 22))
    def put(self, number: int, end: int, weight: int) -> None:
        self.puts += 1
        before = self.cache.get(key(number), -1)
        self.cache.put(key(number), self.puts, end, weight)
        if weight <= 20:
            self.last[number] = (self.puts, end, weight)
            assert self.cache.get(key(number), -1) == self.puts
        else:
            assert self.cache.get(key(number), -1) == before

    @rule(number=st.integers(0, 9), now=st.integers(0, 6))
    def get(self, number: int, now: int) -> None:
        found = self.cache.get(key(number), now)
        if found is not None:
            assert found == self.last[number][0]
            assert now < self.last[number][1]

    @invariant()
    def bounds_hold(self) -> None:
        kept = [self.last[number][2] for number in range(10) if self.cache.get(key(number), -1) is not None]
        assert len(self.cache) == len(kept) <= 5
        assert self.cache.weight == sum(kept) <= 20


TestMachine = Machine.TestCase


def test_threads_may_share_it() -> None:
    cache: TokenCache[bytes] = TokenCache(50, 200)
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(3_000):
                wanted = key(rng.randrange(100))
                if rng.random() < 0.5:
                    cache.put(wanted, wanted, NOW + 1, rng.randrange(1, 9))
                elif (found := cache.get(wanted, NOW)) not in {None, wanted}:
                    wrong.append(found)
        except BaseException as error:
            wrong.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) <= 50
    assert cache.weight <= 200
