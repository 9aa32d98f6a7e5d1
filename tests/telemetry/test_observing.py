"""Observations: what they note, how they nest, and that nothing in them can cost an answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from pdp.telemetry.observing import (
    CARRIED,
    MAX_PHASES,
    OBSERVED,
    Carrier,
    Observation,
    Observer,
    Outcome,
    concerned,
    concerning,
    note_request,
    offer,
)

ALLOWED = Outcome("allow", "allowed")
IN_TRACE: Carrier = (("traceparent", "yes"),)


@dataclass
class FakeTracing:
    """Traces whatever names a trace `yes`."""

    emitted: list[tuple[str, Sequence[Outcome], bool]] = field(default_factory=list)
    failure: Exception | None = None

    def wants(self, carrier: Carrier) -> bool:
        if self.failure is not None:
            raise self.failure
        return ("traceparent", "yes") in carrier

    def trace_id(self, observation: Observation) -> str:
        return f"trace of {observation.door}"

    def emit(self, observation: Observation, outcomes: Sequence[Outcome]) -> None:
        if self.failure is not None:
            raise self.failure
        self.emitted.append((observation.door, outcomes, observation.failed))

    def start(self) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def tracing() -> FakeTracing:
    return FakeTracing()


@pytest.fixture
def failures() -> list[tuple[str, Exception]]:
    return []


@pytest.fixture
def observer(tracing: FakeTracing, failures: list[tuple[str, Exception]]) -> Observer:
    return Observer(tracing, None, lambda place, error: failures.append((place, error)))


def test_what_is_observed_is_found_until_it_ends(observer: Observer, tracing: FakeTracing) -> None:
    assert OBSERVED.get() is None
    observation = observer.begin("check", IN_TRACE)
    assert OBSERVED.get() is observation
    assert observer.end(observation, (ALLOWED,)) == "trace of check"
    assert OBSERVED.get() is None
    assert tracing.emitted == [("check", (ALLOWED,), False)]
    assert observation.seconds > 0


def test_what_is_not_traced_makes_no_spans(observer: Observer, tracing: FakeTracing) -> None:
    assert observer.end(observer.begin("check", ()), (ALLOWED,)) == ""
    assert tracing.emitted == []


def test_without_a_carrier_it_is_the_calls(observer: Observer) -> None:
    token = CARRIED.set(IN_TRACE)
    try:
        observation = observer.begin("check")
        assert observation.traced
        observer.end(observation, (ALLOWED,))
        other = observer.begin("authzen", ())
        assert not other.traced, "headers that came stand in the place of what was left by another call"
        observer.end(other, ())
    finally:
        CARRIED.reset(token)


def test_what_is_within_another_is_traced_if_that_is(observer: Observer, tracing: FakeTracing) -> None:
    for carrier, traced in ((IN_TRACE, True), ((), False)):
        outer = observer.begin("check_batch", carrier)
        inner = observer.begin("check_batch", ())
        assert (inner.outer, inner.traced, OBSERVED.get()) == (outer, traced, inner)
        observer.end(inner, (ALLOWED,))
        assert OBSERVED.get() is outer
        observer.end(outer, ())
    assert [outcomes for _, outcomes, _ in tracing.emitted] == [(ALLOWED,), ()]


def test_one_that_is_abandoned_has_failed_and_one_that_has_ended_cannot_be(
    observer: Observer, tracing: FakeTracing
) -> None:
    ended = observer.begin("check", IN_TRACE)
    observer.end(ended, (ALLOWED,))
    observer.abandon(ended)
    observer.abandon(observer.begin("check", IN_TRACE))
    assert tracing.emitted == [("check", (ALLOWED,), False), ("check", (), True)]
    assert OBSERVED.get() is None


def test_a_failing_tracer_is_reported_and_costs_no_answer(
    observer: Observer, tracing: FakeTracing, failures: list[tuple[str, Exception]]
) -> None:
    observation = observer.begin("check", IN_TRACE)
    tracing.failure = RuntimeError("no tracer")
    assert observer.end(observation, (ALLOWED,)) == ""
    untraced = observer.begin("check", IN_TRACE)
    assert not untraced.traced
    assert observer.end(untraced, (ALLOWED,)) == ""
    assert failures == [("observing", tracing.failure)] * 2
    assert OBSERVED.get() is None


def test_headers_of_the_request_that_is_asked_about_count_if_the_call_says_nothing(observer: Observer) -> None:
    offer(IN_TRACE)  # nothing is observed
    for own, traced in (((), True), ((("traceparent", "no"),), False)):
        observation = observer.begin("ext_authz", own)
        offer(IN_TRACE)
        assert observation.traced is traced
        observer.end(observation, ())
    observation = observer.begin("ext_authz", ())
    offer((("x-request-id", "1"),))
    assert (observation.traced, observation.carrier) == (False, ())
    observer.end(observation, ())


def test_parts_are_noted_in_order_and_not_without_end(observer: Observer) -> None:
    observation = observer.begin("check", ())
    began = observation.now()
    for _ in range(MAX_PHASES + 3):
        began = observation.lap("evaluate", began)
    assert (len(observation.phases), observation.left_out) == (MAX_PHASES, 3)
    assert all(one.ended == next.began for one, next in zip(observation.phases, observation.phases[1:], strict=False))
    observer.end(observation, ())


def test_what_an_event_concerns(observer: Observer) -> None:
    assert concerned() == {}
    note_request("nobody observes")
    with concerning("r-1"):
        assert concerned() == {"request_id": "r-1"}
    assert concerned() == {}
    observation = observer.begin("check", IN_TRACE)
    assert concerned() == {"trace_id": "trace of check"}
    note_request("r-2")
    assert concerned() == {"request_id": "r-2", "trace_id": "trace of check"}
    observer.end(observation, ())
    assert concerned() == {}


def test_telling_of_a_defect_does_not_meet_with_another_one(
    observer: Observer, tracing: FakeTracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    observation = observer.begin("check", IN_TRACE)
    note_request("r-2")
    monkeypatch.setattr(FakeTracing, "trace_id", lambda *_: 1 / 0)
    assert concerned() == {"request_id": "r-2"}
    assert observer.end(observation, (ALLOWED,)) == ""
