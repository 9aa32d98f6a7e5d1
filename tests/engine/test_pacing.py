"""How a reload stands back: when it rests, and that everything is as it was afterwards."""

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from pdp.engine.pacing import SWITCH_SECONDS, Pace, standing_back


class Time:
    """A clock that a test moves, and what was slept on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_it_rests_when_it_has_worked_for_long_enough() -> None:
    time = Time()
    pace = Pace(work=1, rest=5, clock=time.clock, sleep=time.sleep)
    for _ in range(3):
        time.now += 0.4
        pace()
    assert time.slept == [5], "after 0.4 and 0.8 it went on"
    time.now += 0.9
    pace()
    assert time.slept == [5], "the rest does not count as work"
    time.now += 0.1
    pace()
    assert time.slept == [5, 5]


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """What a test put away is looked at again after it. While it runs, only its own objects are looked at: the
    collector looks at everything when there is much that is new, beside what there was.
    """
    gc.freeze()
    gc.collect()
    yield
    gc.unfreeze()


def everything() -> int:
    """How often everything was looked at."""
    return int(gc.get_stats()[2]["collections"])


def allocate() -> list[list[None]]:
    """More than the collector leaves alone for long."""
    return [[] for _ in range(200_000)]


@pytest.mark.usefixtures("nothing_frozen")
def test_while_it_lasts_nobody_looks_at_everything_and_others_are_let_in_quickly() -> None:
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    before = everything()
    kept = allocate()
    assert everything() > before, "it would have been"
    frozen = gc.get_freeze_count()
    with standing_back(alone=True, again=False):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
        before = everything()
        kept += allocate()
        assert everything() == before
    assert gc.get_threshold() == thresholds
    assert sys.getswitchinterval() == pytest.approx(interval)
    assert gc.get_freeze_count() - frozen >= len(kept)


@pytest.mark.usefixtures("nothing_frozen")
def test_garbage_of_the_questions_that_are_answered_meanwhile_is_not_put_away() -> None:
    with standing_back(alone=True, again=False):
        circle: list[object] = []
        circle.append(circle)
        thing = Time()
        circle.append(thing)
        gone = weakref.ref(thing)
        del circle, thing
        allocate()
        assert gone() is None


@pytest.mark.usefixtures("nothing_frozen")
def test_the_next_time_what_became_garbage_in_between_is_collected_first() -> None:
    before = everything()
    with standing_back(alone=True, again=False):
        assert everything() == before
    with standing_back(alone=True, again=True):
        assert everything() == before + 1


def test_when_it_fails_nothing_is_put_away() -> None:
    before = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(ValueError, match="why"), standing_back(alone=True, again=False):
        raise ValueError("why")
    assert (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()) == before


def test_in_a_process_with_other_purposes_nothing_happens() -> None:
    before = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
    with standing_back(alone=False, again=True):
        assert (sys.getswitchinterval(), gc.get_threshold()) == before[:2]
    assert gc.get_freeze_count() == before[2]
