"""The memory of used proofs: it never forgets what could be used again, and never grows beyond its bound."""

from threading import Barrier, Thread

from hypothesis import given
from hypothesis import strategies as st

from pdp.identity.errors import IdentityError
from pdp.identity.replay import SHARE, ReplayMemory

NOW = 1_772_445_600_000


def outcome(memory: ReplayMemory, key: str, jti: str, until: int, now: int) -> str:
    try:
        memory.use(key, jti, until, now)
    except IdentityError as error:
        return error.code
    return "used"


def test_a_proof_can_be_used_once() -> None:
    memory = ReplayMemory(100)
    assert outcome(memory, "key", "a", NOW + 10, NOW) == "used"
    assert outcome(memory, "key", "a", NOW + 10, NOW) == "replayed"
    assert outcome(memory, "key", "a", NOW + 10, NOW + 9) == "replayed"


def test_the_same_name_under_another_key_or_with_other_borders_is_another_proof() -> None:
    memory = ReplayMemory(100)
    pairs = [("key", "a"), ("yek", "a"), ("key", "b"), ("ke", "ya"), ("keya", ""), ("", "keya"), ("3:key", "a")]
    assert [outcome(memory, *pair, NOW + 10, NOW) for pair in pairs] == ["used"] * len(pairs)


def test_the_same_name_with_another_age_is_the_same_proof() -> None:
    memory = ReplayMemory(100)
    memory.use("key", "a", NOW + 10, NOW)
    assert outcome(memory, "key", "a", NOW + 20, NOW) == "replayed"


def test_what_is_too_old_to_be_accepted_is_forgotten() -> None:
    memory = ReplayMemory(100)
    memory.use("key", "a", NOW + 10, NOW)
    memory.use("key", "b", NOW + 20, NOW)
    memory.use("key", "c", NOW + 30, NOW + 10)
    assert len(memory) == 2
    memory.use("yek", "d", NOW + 40, NOW + 30)
    assert len(memory) == 1
    assert memory._held == {"yek": 1}, "keys without proofs take no place"


def test_a_clock_that_is_set_back_does_not_make_it_accept_what_it_forgot() -> None:
    memory = ReplayMemory(100)
    memory.use("key", "a", NOW + 10, NOW)
    memory.use("key", "b", NOW + 30, NOW + 10)
    assert len(memory) == 1
    assert outcome(memory, "key", "a", NOW + 10, NOW) == "replayed"
    assert outcome(memory, "key", "never seen", NOW + 9, NOW) == "replayed"
    assert outcome(memory, "key", "c", NOW + 11, NOW) == "used"


def test_what_may_have_been_used_before_it_began_is_refused() -> None:
    memory = ReplayMemory(100, forgotten=NOW + 10)
    assert outcome(memory, "key", "a", NOW + 10, NOW) == "replayed"
    assert outcome(memory, "key", "a", NOW + 11, NOW) == "used"


def test_when_it_is_full_the_next_proof_is_refused_and_none_is_pushed_out() -> None:
    memory = ReplayMemory(8)
    for number in range(8):
        memory.use(f"key-{number}", "a", NOW + 10, NOW)
    assert outcome(memory, "another", "a", NOW + 10, NOW) == "replay_memory"
    assert {outcome(memory, f"key-{key}", "a", NOW + 10, NOW) for key in range(8)} == {"replayed"}
    assert len(memory) == 8
    assert outcome(memory, "another", "a", NOW + 20, NOW + 10) == "used"


def test_one_key_cannot_shut_out_the_others() -> None:
    memory = ReplayMemory(100)
    for number in range(100 // SHARE):
        memory.use("greedy", str(number), NOW + 10, NOW)
    assert outcome(memory, "greedy", "one more", NOW + 10, NOW) == "replay_memory"
    assert outcome(memory, "modest", "one", NOW + 10, NOW) == "used"
    assert outcome(memory, "greedy", "later", NOW + 20, NOW + 10) == "used"


def test_of_many_threads_with_one_proof_one_wins() -> None:
    memory, barrier = ReplayMemory(1000), Barrier(8)
    outcomes: list[str] = []

    def run() -> None:
        barrier.wait(10)
        outcomes.extend(outcome(memory, "key", str(jti), NOW + 10, NOW) for jti in range(100))

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes.count("used") == 100
    assert outcomes.count("replayed") == 700


STEPS = st.lists(st.tuples(st.sampled_from("kK"), st.sampled_from("abc"), st.integers(0, 6), st.integers(0, 12)))


@given(STEPS, st.integers(1, 12))
def test_no_proof_is_ever_used_twice_and_no_bound_exceeded(steps: list[tuple[str, str, int, int]], places: int) -> None:
    """Whatever the clock does. A proof is its key, its name and its age; it is offered only while it is acceptable."""
    memory, used = ReplayMemory(places), set()
    for key, jti, life, now in steps:
        until = now + life + 1
        if outcome(memory, key, jti, until, now) == "used":
            assert (key, jti, until) not in used
            used.add((key, jti, until))
        assert len(memory) <= places
