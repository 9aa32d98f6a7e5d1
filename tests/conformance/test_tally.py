"""The sum over cases, and which disagreements are kept."""

from pdp.conformance.running import Disagreement, Outcome, Part, Way
from pdp.conformance.tally import Tally


def miss(case: str, request: str, way: Way = Way.TEXT, part: Part = Part.DECISION) -> Disagreement:
    return Disagreement(case, request, way, part, "allow", "deny")


def test_what_agreed_is_counted_by_way_and_part() -> None:
    tally = Tally(10)
    tally.add(Outcome(8, ()))
    tally.add(Outcome(0, ()))
    tally.add(
        Outcome(5, (miss("a", "r"), miss("a", "s"), miss("a", "r", Way.JSON), miss("a", "", part=Part.VALIDATION)))
    )
    assert (tally.cases, tally.requests, tally.disputed) == (3, 13, 3)
    assert [tally.total(part) for part in Part] == [13, 13, 13, 3]
    agreed = {way: [tally.agreed(way, part) for part in Part] for way in Way}
    assert agreed == {
        Way.INTERPRETED: [13, 13, 13, 3],
        Way.COMPILED: [13, 13, 13, 3],
        Way.TEXT: [11, 13, 13, 2],
        Way.JSON: [12, 13, 13, 3],
    }


def test_the_first_questions_are_kept_with_all_that_is_said_of_them() -> None:
    tally = Tally(3)
    first = (miss("a", ""), miss("a", "r"), miss("a", "", Way.JSON))
    second = (miss("b", "r"), miss("b", "s"), miss("b", "r", part=Part.ERRORS))
    for outcome in (Outcome(1, first), Outcome(2, second), Outcome(1, (miss("c", "r"),))):
        tally.add(outcome)
    assert tally.questions == [[first[0], first[2]], [first[1]], [second[0], second[2]]]
    assert tally.disputed == 5


def test_nothing_need_be_kept() -> None:
    tally = Tally(0)
    tally.add(Outcome(1, (miss("a", "r"),)))
    assert (tally.questions, tally.disputed) == ([], 1)
