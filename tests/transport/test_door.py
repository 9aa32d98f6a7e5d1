"""The last line of defence: bytes out, whatever happens inside."""

import pytest
from doors import Reports, an_allow

from pdp.engine.decider import Verdict
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.door import GuardedDoor


@pytest.mark.parametrize("failure", [ValueError("x"), RecursionError(), MemoryError(), KeyError(), AssertionError()])
def test_every_exception_becomes_the_last_resort(metrics: Metrics, reports: Reports, failure: Exception) -> None:
    def adapter(data: bytes, peer: str) -> tuple[Verdict, bytes]:
        raise failure

    door = GuardedDoor(Door.CHECK, adapter, b"denied", metrics, reports)
    assert door(b"", "") == b"denied"
    assert reports.seen == [("check", failure)]


def test_an_answer_is_timed_and_counted(metrics: Metrics, reports: Reports) -> None:
    door = GuardedDoor(Door.EXT_AUTHZ, lambda data, peer: (an_allow(), data + peer.encode()), b"", metrics, reports)
    assert door(b"a", "b") == b"ab"
    text = metrics.exposition().decode()
    assert 'pdp_decisions_total{decision="allow",door="ext_authz",reason="allowed"} 1.0' in text
    assert 'pdp_decision_seconds_count{door="ext_authz"} 1.0' in text
    assert reports.seen == []


def test_a_failure_to_count_is_a_deny_too(reports: Reports, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = RuntimeError("no metrics")

    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr(metrics, "decided", broken)
    door = GuardedDoor(Door.CHECK, lambda data, peer: (an_allow(), b"allowed"), b"denied", metrics, reports)
    assert door(b"", "") == b"denied"
    assert reports.seen == [("check", failure)]
