"""Flights: one leads, others follow, and nobody is left hanging."""

from pdp.engine.coalescing import Flight, Flights


def test_the_first_leads_and_the_others_follow() -> None:
    flights: Flights[str] = Flights(30.0)
    mine, other = Flight[str](), Flight[str]()
    assert flights.join("question", mine) is mine
    assert flights.join("question", other) is mine
    assert flights.join("another", other) is other
    mine.answer = "answer"
    flights.end("question", mine)
    assert flights.wait(mine) == "answer"
    assert flights.wait(mine) == "answer"


def test_after_the_end_a_new_one_leads() -> None:
    flights: Flights[str] = Flights(30.0)
    mine = Flight[str]()
    flights.join("question", mine)
    flights.end("question", mine)
    assert flights.wait(mine) is None
    later = Flight[str]()
    assert flights.join("question", later) is later


def test_patience_ends() -> None:
    flights: Flights[str] = Flights(0.0)
    mine = Flight[str]()
    flights.join("question", mine)
    assert flights.wait(mine) is None
