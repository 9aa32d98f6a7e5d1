"""The rules of time: the stricter answer at every boundary, and ends that are exactly where an answer changes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.values import EntityUID
from pdp.context.facts import Freshness, Grant, GrantStatus
from pdp.context.freshness import MAX_SKEW, freshness, freshness_ends, grant_ends, grant_status

NOW = 1_772_445_600_000
AGE = 60_000
FRESH, STALE, UNKNOWN = Freshness.FRESH, Freshness.STALE, Freshness.UNKNOWN
ANA, ORDER = EntityUID("User", "ana"), EntityUID("Order", "1")


def grant(not_before: int, expires_at: int) -> Grant:
    return Grant("grant/1", "entitlement/x", ANA, ORDER, "owner", "reason", not_before, expires_at)


@pytest.mark.parametrize(
    ("observed_at", "expected", "ends"),
    [
        (None, UNKNOWN, None),
        (NOW, FRESH, NOW + AGE),
        (NOW - AGE + 1, FRESH, NOW + 1),
        (NOW - AGE, STALE, None),
        (NOW - AGE - 1, STALE, None),
        (NOW + 1, FRESH, NOW + 1 + AGE),
        (NOW + MAX_SKEW, FRESH, NOW + MAX_SKEW + AGE),
        (NOW + MAX_SKEW + 1, UNKNOWN, NOW + 1),
        (NOW + 10 * AGE, UNKNOWN, NOW + 10 * AGE - MAX_SKEW),
        (0, STALE, None),
    ],
)
def test_boundaries_of_freshness(observed_at: int | None, expected: Freshness, ends: int | None) -> None:
    assert freshness(observed_at, AGE, NOW) is expected
    assert freshness_ends(observed_at, AGE, NOW) == ends


def test_a_fact_of_the_future_becomes_fresh_and_then_stale() -> None:
    observed_at = NOW + 10_000
    seen = [
        (now, freshness(observed_at, AGE, now)) for now in (NOW, NOW + 7_999, NOW + 8_000, NOW + 69_999, NOW + 70_000)
    ]
    assert [state for _, state in seen] == [UNKNOWN, UNKNOWN, FRESH, FRESH, STALE]


@pytest.mark.parametrize(
    ("not_before", "expires_at", "expected", "ends"),
    [
        (NOW, NOW + 1, GrantStatus.ACTIVE, NOW + 1),
        (NOW - 1, NOW + AGE, GrantStatus.ACTIVE, NOW + AGE),
        (NOW - AGE, NOW, GrantStatus.EXPIRED, None),
        (NOW - AGE, NOW - 1, GrantStatus.EXPIRED, None),
        (NOW + 1, NOW + AGE, GrantStatus.PENDING, NOW + 1),
        (NOW + AGE, NOW + AGE + 1, GrantStatus.PENDING, NOW + AGE),
    ],
)
def test_boundaries_of_a_grant(not_before: int, expires_at: int, expected: GrantStatus, ends: int | None) -> None:
    assert grant_status(grant(not_before, expires_at), NOW) is expected
    assert grant_ends(grant(not_before, expires_at), NOW) == ends


def _agrees(state: Callable[[int], object], ends: Callable[[int], int | None], now: int, later: list[int]) -> None:
    """From `now` until the announced end nothing changes, at the end it does; without an end nothing ever changes."""
    end = ends(now)
    if end is not None:
        assert end > now
        assert state(end) is not state(now)
        assert state(end - 1) is state(now)
    for instant in later:
        if instant >= now and (end is None or instant < end):
            assert state(instant) is state(now)


TIMES = st.integers(-20, 20)


@given(st.none() | TIMES, st.integers(1, 20), TIMES, st.lists(st.integers(-20, 80)))
def test_freshness_changes_exactly_where_its_end_is_announced(
    observed: int | None, age: int, now: int, later: list[int]
) -> None:
    # Counted in steps of a quarter of the skew, so that small numbers cross every boundary.
    step = MAX_SKEW // 4
    observed_at = None if observed is None else NOW + observed * step
    _agrees(
        lambda at: freshness(observed_at, age * step, at),
        lambda at: freshness_ends(observed_at, age * step, at),
        NOW + now * step,
        [NOW + at * step + shift for at in later for shift in (-1, 0, 1)],
    )


def test_freshness_and_its_end_agree_at_every_instant_of_a_small_world() -> None:
    for age in (1, 2, 7):
        instants = list(range(NOW - MAX_SKEW - 10, NOW + 20))
        for now in instants[:: MAX_SKEW // 50] + instants[-30:]:
            _agrees(
                lambda at: freshness(NOW, age, at),  # noqa: B023  called at once
                lambda at: freshness_ends(NOW, age, at),  # noqa: B023  called at once
                now,
                instants[-40:],
            )


def test_a_grant_and_its_end_agree_at_every_instant_of_a_small_world() -> None:
    for not_before in range(6):
        for expires_at in range(not_before + 1, 8):
            held = grant(not_before, expires_at)
            for now in range(-2, 10):
                _agrees(
                    lambda at: grant_status(held, at),  # noqa: B023  called at once
                    lambda at: grant_ends(held, at),  # noqa: B023  called at once
                    now,
                    list(range(now, 12)),
                )


@pytest.mark.parametrize("now", [-(2**63), 0, 2**63 - 1])
def test_extreme_instants(now: int) -> None:
    assert freshness(now, 1, now) is FRESH
    assert freshness(now - 1, 1, now) is STALE
    assert grant_status(grant(now, now + 1), now) is GrantStatus.ACTIVE
