"""When keys are fetched and how long they are believed, at every boundary, with clocks that the test moves."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer, key_set

from pdp.config.issuers import KeysUrl
from pdp.config.urls import HttpUrl
from pdp.identity.keyset import KeySet
from pdp.identity.rotation import (
    ABSENT_FOR,
    MAX_ABSENT,
    MAX_ASKED_ID,
    MIN_REFRESH,
    UNKNOWN_SPACING,
    Rotation,
)

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
CONFIG = KeysUrl(HttpUrl("https://issuer.example/keys"), refresh=15 * MINUTE, max_age=24 * HOUR)
NOW, TICK = 1_772_445_600_000, 5_000_000
OLD, NEW = key_set(Signer("ES256", "old").jwk()), key_set(Signer("ES256", "new", 1).jwk())


def rotation(keys: KeySet | None = OLD, headers: Mapping[str, str] | None = None, chance: float = 0) -> Rotation:
    """A rotation that has just fetched these keys."""
    made = Rotation(CONFIG, TICK)
    if keys is not None:
        made.began(TICK)
        made.succeeded(keys, headers or {}, NOW, TICK, chance)
    return made


def test_at_first_there_are_no_keys_and_a_fetch_is_due() -> None:
    made = rotation(None)
    assert made.believed(NOW) is None
    assert (made.next_at, made.etag) == (TICK, None)


FRESHNESS: dict[str, tuple[dict[str, str], int]] = {
    "nothing is said": ({}, CONFIG.refresh),
    "less than the bound": ({"cache-control": "max-age=300"}, 300 * SECOND),
    "among others": ({"cache-control": 'public, MAX-AGE="300", must-revalidate'}, 300 * SECOND),
    "some of it is over": ({"cache-control": "max-age=300", "age": "100"}, 200 * SECOND),
    "all of it is over": ({"cache-control": "max-age=300", "age": "301"}, MIN_REFRESH),
    "an age that is none": ({"cache-control": "max-age=300", "age": "-1"}, 300 * SECOND),
    "longer than the bound": ({"cache-control": "max-age=86400"}, CONFIG.refresh),
    "for ever": ({"cache-control": "max-age=9999999999"}, CONFIG.refresh),
    "shorter than the bound": ({"cache-control": "max-age=1"}, MIN_REFRESH),
    "not at all": ({"cache-control": "max-age=0"}, MIN_REFRESH),
    "not to be kept": ({"cache-control": "no-store"}, MIN_REFRESH),
    "not to be kept, whatever else": ({"cache-control": "max-age=300, no-cache"}, MIN_REFRESH),
    "a number that is none": ({"cache-control": "max-age=-5"}, CONFIG.refresh),
    "a number that never ends": ({"cache-control": "max-age=" + "9" * 5000}, CONFIG.refresh),
    "another directive's": ({"cache-control": "s-max-age=5"}, CONFIG.refresh),
}


@pytest.mark.parametrize("name", FRESHNESS)
def test_the_answer_says_within_bounds_when_it_is_asked_again(name: str) -> None:
    headers, pause = FRESHNESS[name]
    assert rotation(headers=headers).next_at == TICK + pause


@pytest.mark.parametrize(("chance", "share"), [(0.0, 1.0), (0.5, 0.95), (0.999999, 0.9)])
def test_decision_points_do_not_ask_as_one(chance: float, share: float) -> None:
    assert rotation(chance=chance).next_at == pytest.approx(TICK + CONFIG.refresh * share, abs=1)


def test_after_failures_it_is_asked_again_sooner_and_then_later_and_later() -> None:
    made = rotation()
    pauses = []
    for _ in range(14):
        made.failed(TICK, 0)
        pauses.append(made.next_at - TICK)
    assert pauses == [min(SECOND * 2**n, CONFIG.refresh) for n in range(14)]
    made.failed(TICK, 0.999999)
    assert made.next_at - TICK == pytest.approx(CONFIG.refresh / 2, abs=1)


def test_a_good_answer_ends_the_row_of_failures() -> None:
    made = rotation()
    for _ in range(5):
        made.failed(TICK, 0)
    made.succeeded(OLD, {}, NOW, TICK, 0)
    assert made.next_at == TICK + CONFIG.refresh
    made.failed(TICK, 0)
    assert made.next_at == TICK + SECOND


def test_failures_take_no_key_away() -> None:
    made = rotation()
    for _ in range(100):
        made.failed(TICK, 0)
        assert made.believed(NOW + CONFIG.max_age - 1) is OLD


@pytest.mark.parametrize("way", [-1, 1], ids=["the clock was set back", "time has passed"])
def test_keys_are_believed_for_so_long_and_not_longer(way: int) -> None:
    made = rotation()
    assert made.believed(NOW + way * (CONFIG.max_age - 1)) is OLD
    assert made.believed(NOW + way * CONFIG.max_age) is None
    assert made.believed(NOW + way * 100 * CONFIG.max_age) is None


def test_the_word_that_nothing_has_changed_makes_keys_believed_anew() -> None:
    made = rotation()
    made.unchanged({}, NOW + HOUR, TICK + HOUR, 0)
    assert made.believed(NOW + HOUR + CONFIG.max_age - 1) is OLD
    assert made.next_at == TICK + HOUR + CONFIG.refresh


def test_keys_that_went_stale_are_believed_again_when_they_come_again() -> None:
    made = rotation()
    later = NOW + 3 * CONFIG.max_age
    assert made.believed(later) is None
    made.succeeded(OLD, {}, later, TICK, 0)
    assert made.believed(later) is OLD


def test_new_keys_replace_the_old_ones_whole() -> None:
    made = rotation()
    made.succeeded(NEW, {}, NOW, TICK, 0)
    assert made.believed(NOW) is NEW
    assert NEW.find("old") is None


def test_the_same_keys_stay_the_same_object() -> None:
    again = key_set(Signer("ES256", "old").jwk(x5t="abc"))
    assert again is not OLD
    made = rotation()
    made.succeeded(again, {}, NOW, TICK, 0)
    assert made.believed(NOW) is OLD


SAME_NAME = {
    "another key": key_set(Signer("ES256", "old", 2).jwk()),
    "fewer algorithms": key_set(Signer("RS256", "old").jwk()),
    "another id": key_set(Signer("ES256", "other").jwk()),
    "one more": key_set(Signer("ES256", "old").jwk(), Signer("ES256", "new", 1).jwk()),
}


@pytest.mark.parametrize("name", SAME_NAME)
def test_keys_that_differ_anywhere_are_others(name: str) -> None:
    made = rotation()
    made.succeeded(SAME_NAME[name], {}, NOW, TICK, 0)
    assert made.believed(NOW) is SAME_NAME[name]


def test_an_algorithm_that_a_key_lost_makes_it_another_key() -> None:
    wide, narrow = key_set(Signer("RS256", "k").jwk(alg=None)), key_set(Signer("RS256", "k").jwk())
    assert not wide.same_as(narrow)
    assert wide.same_as(key_set(Signer("RS256", "k").jwk(alg=None, use=None)))


@pytest.mark.parametrize("etag", ['"1"', 'W/"a-b"', '""'])
def test_a_tag_is_kept(etag: str) -> None:
    assert rotation(headers={"etag": etag}).etag == etag


@pytest.mark.parametrize("etag", ["1", '"', '"a"b"', '"a\r\nX: y"', '"' + "x" * 201 + '"', '"é"', "", 'w/"1"'])
def test_a_tag_that_is_none_is_not_sent_back(etag: str) -> None:
    assert rotation(headers={"etag": etag}).etag is None


def test_a_tag_goes_with_the_answer_that_had_it() -> None:
    made = rotation(headers={"etag": '"1"'})
    made.succeeded(NEW, {}, NOW, TICK, 0)
    assert made.etag is None


def test_an_unknown_key_causes_one_fetch_in_a_while() -> None:
    made = rotation()
    assert not made.may_fetch(TICK)
    assert not made.may_fetch(TICK + UNKNOWN_SPACING - 1)
    assert made.may_fetch(TICK + UNKNOWN_SPACING)
    made.began(TICK + UNKNOWN_SPACING)
    assert not made.may_fetch(TICK + 2 * UNKNOWN_SPACING - 1)


def test_before_the_first_fetch_one_may_be_caused() -> None:
    assert rotation(None).may_fetch(TICK)


def test_a_key_that_a_fetch_did_not_bring_causes_none_for_a_while() -> None:
    made = rotation()
    assert not made.is_absent("ghost", TICK)
    made.absent("ghost", TICK)
    assert made.is_absent("ghost", TICK)
    assert made.is_absent("ghost", TICK + ABSENT_FOR - 1)
    assert not made.is_absent("ghost", TICK + ABSENT_FOR)
    assert not made.is_absent("other", TICK)


def test_new_keys_may_bring_what_was_absent() -> None:
    made = rotation()
    made.absent("new", TICK)
    made.succeeded(OLD, {}, NOW, TICK, 0)
    assert made.is_absent("new", TICK), "the same keys say nothing new"
    made.succeeded(NEW, {}, NOW, TICK, 0)
    assert not made.is_absent("new", TICK)


def test_absent_keys_are_remembered_within_bounds() -> None:
    made = rotation()
    for number in range(MAX_ABSENT + 1):
        made.absent(str(number), TICK)
    assert not made.is_absent("0", TICK)
    assert made.is_absent("1", TICK)
    assert made.is_absent(str(MAX_ABSENT), TICK)


def test_an_id_that_is_no_issuers_causes_nothing() -> None:
    assert not rotation().is_absent("x" * MAX_ASKED_ID, TICK)
    assert rotation().is_absent("x" * (MAX_ASKED_ID + 1), TICK)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["new", "old", "unchanged", "failed"]), st.integers(0, 48 * HOUR), st.floats(0, 0.999)),
    max_size=20,
)


@given(EVENTS, st.integers(0, 48 * HOUR))
def test_whatever_happens_keys_are_those_of_the_last_good_answer_or_too_old(
    events: list[tuple[str, int, float]], wait: int
) -> None:
    made, elapsed = Rotation(CONFIG, TICK), 0
    expected, confirmed = None, None
    for what, pause, chance in events:
        elapsed += pause
        now, tick = NOW + elapsed, TICK + elapsed
        made.began(tick)
        match what:
            case "failed":
                made.failed(tick, chance)
            case "unchanged" if expected is not None:
                made.unchanged({}, now, tick, chance)
                confirmed = now
            case "unchanged":
                made.failed(tick, chance)
            case _:
                expected = NEW if what == "new" else OLD
                made.succeeded(expected, {}, now, tick, chance)
                confirmed = now
        assert tick < made.next_at <= tick + CONFIG.refresh, "it never stops, and never runs hot"
    late = NOW + elapsed + wait
    assert made.believed(late) is (expected if confirmed is not None and late - confirmed < CONFIG.max_age else None)
