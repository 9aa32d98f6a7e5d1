"""So many a second, whatever the clock says."""

import pytest

from pdp.telemetry.rate import Rate


def passed(rate: Rate, tries: int) -> int:
    return sum(rate.take() for _ in range(tries))


def test_as_many_at_once_as_in_a_second_and_then_evenly() -> None:
    now = [100.0]
    rate = Rate(5, lambda: now[0])
    assert passed(rate, 20) == 5
    now[0] += 0.4
    assert passed(rate, 20) == 2
    now[0] += 3600
    assert passed(rate, 20) == 5, "a quiet hour is no permission for a flood"


def test_less_than_one_a_second() -> None:
    now = [0.0]
    rate = Rate(0.1, lambda: now[0])
    assert passed(rate, 3) == 1
    now[0] += 9.5
    assert passed(rate, 3) == 0
    now[0] += 1
    assert passed(rate, 3) == 1


@pytest.mark.parametrize("per_second", [1, 3, 7.5])
def test_over_a_long_time_it_is_the_rate(per_second: float) -> None:
    now = [0.0]
    rate = Rate(per_second, lambda: now[0])
    taken = 0
    for _ in range(1_000):
        now[0] += 0.0625
        taken += passed(rate, 2)
    assert abs(taken - 62.5 * per_second) <= per_second + 1
