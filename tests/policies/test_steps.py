"""Work in steps."""

import pytest

from pdp.policies.steps import Steps, finish


def work(done: list[int]) -> Steps[str]:
    for number in range(3):
        done.append(number)
        yield
    return "result"


def test_it_is_done_to_the_end_and_gives_its_result() -> None:
    done: list[int] = []
    assert finish(work(done)) == "result"
    assert done == [0, 1, 2]


def test_there_is_a_pause_after_each_step() -> None:
    done: list[int] = []
    pauses: list[int] = []
    assert finish(work(done), lambda: pauses.append(len(done))) == "result"
    assert pauses == [1, 2, 3]


def test_what_goes_wrong_comes_out() -> None:
    def fail() -> Steps[None]:
        yield
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        finish(fail(), lambda: None)
