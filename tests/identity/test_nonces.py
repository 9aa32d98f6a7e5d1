"""Nonces: good in their period and the next, with their secret, and never otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.identity.nonces import MIN_SECRET, Nonces

PERIOD = 60_000
NOW = 1_772_445_600_000  # a whole number of periods
NONCES = Nonces(b"s" * MIN_SECRET, PERIOD)


def test_a_nonce_is_good_for_its_period_and_the_next() -> None:
    nonce = NONCES.current(NOW)
    assert {NONCES.current(at) for at in (NOW, NOW + 1, NOW + PERIOD - 1)} == {nonce}
    assert all(NONCES.accepts(nonce, at) for at in (NOW, NOW + PERIOD - 1, NOW + PERIOD, NOW + 2 * PERIOD - 1))
    assert not any(NONCES.accepts(nonce, at) for at in (NOW - 1, NOW - PERIOD, NOW + 2 * PERIOD, NOW + 100 * PERIOD))


def test_it_changes_with_the_period_the_secret_and_the_length_of_the_period() -> None:
    others = {
        NONCES.current(NOW - 1),
        NONCES.current(NOW + PERIOD),
        Nonces(b"t" * MIN_SECRET, PERIOD).current(NOW),
        Nonces(b"s" * (MIN_SECRET + 1), PERIOD).current(NOW),
        Nonces(b"s" * MIN_SECRET, NOW // (NOW // PERIOD + 1)).current(NOW),
    }
    assert len(others) == 5
    assert NONCES.current(NOW) not in others


def test_two_with_one_secret_know_each_others_nonces() -> None:
    assert Nonces(b"s" * MIN_SECRET, PERIOD).accepts(NONCES.current(NOW), NOW)
    assert not Nonces(b"t" * MIN_SECRET, PERIOD).accepts(NONCES.current(NOW), NOW)


def test_it_fits_a_header_and_tells_nothing() -> None:
    nonce = NONCES.current(NOW)
    assert nonce.isascii()
    assert len(nonce) == 43
    assert not set(nonce) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("length", [0, 1, MIN_SECRET - 1])
def test_a_short_secret_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="secret"):
        Nonces(bytes(length), PERIOD)


@given(st.text(max_size=60) | st.just(NONCES.current(NOW)).map(lambda nonce: nonce + "="))
def test_no_other_text_is_a_nonce(text: str) -> None:
    assert not NONCES.accepts(text, NOW)


@given(st.integers(0, 42), st.characters())
def test_a_damaged_nonce_is_none(at: int, char: str) -> None:
    nonce = NONCES.current(NOW)
    damaged = nonce[:at] + char + nonce[at + 1 :]
    assert NONCES.accepts(damaged, NOW) is (damaged == nonce)
