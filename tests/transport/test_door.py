"""The last line of defence: bytes out, whatever happens inside."""

import pytest
from callers import FAR, LOCAL, gate
from doors import Reports, an_allow

from pdp.engine.decider import Verdict
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.callers import NOBODY, Caller
from pdp.transport.door import GatedDoor, GuardedDoor


@pytest.mark.parametrize("failure", [ValueError("x"), RecursionError(), MemoryError(), KeyError(), AssertionError()])
def test_every_exception_becomes_the_last_resort(metrics: Metrics, reports: Reports, failure: Exception) -> None:
    def adapter(data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        raise failure

    door = GuardedDoor(Door.CHECK, adapter, b"denied", metrics, reports)
    assert door(b"", NOBODY) == b"denied"
    assert reports.seen == [("check", failure)]


def test_an_answer_is_timed_and_counted(metrics: Metrics, reports: Reports) -> None:
    door = GuardedDoor(
        Door.EXT_AUTHZ, lambda data, caller: (an_allow(), data + caller.way.value.encode()), b"", metrics, reports
    )
    assert door(b"a", NOBODY) == b"aanonymous"
    text = metrics.exposition().decode()
    assert 'pdp_decisions_total{decision="allow",door="ext_authz",reason="allowed"} 1.0' in text
    assert 'pdp_decision_seconds_count{door="ext_authz"} 1.0' in text
    assert reports.seen == []


def test_a_failure_to_count_is_a_deny_too(reports: Reports, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = RuntimeError("no metrics")

    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr(metrics, "decided", broken)
    door = GuardedDoor(Door.CHECK, lambda data, caller: (an_allow(), b"allowed"), b"denied", metrics, reports)
    assert door(b"", NOBODY) == b"denied"
    assert reports.seen == [("check", failure)]


# Who may come


def unread(data: bytes, caller: Caller) -> bytes:
    raise AssertionError("it was read")


def test_a_caller_that_may_not_come_in_is_refused_unread_and_counted(metrics: Metrics, reports: Reports) -> None:
    door = GatedDoor(Door.EXT_AUTHZ, gate(metrics), unread, b"refused", metrics, reports)
    assert door(b"x", FAR) == door.refuse(NOBODY) == b"refused"
    text = metrics.exposition().decode()
    assert 'pdp_decisions_total{decision="deny",door="ext_authz",reason="caller_not_allowed"} 2.0' in text
    assert 'pdp_callers_refused_total{action="check"} 2.0' in text
    assert reports.seen == []


def test_a_caller_that_may_come_in_gets_the_answer(metrics: Metrics, reports: Reports) -> None:
    door = GatedDoor(Door.CHECK, gate(metrics), lambda data, caller: data, b"refused", metrics, reports)
    assert (door(b"x", LOCAL), door.refuse(LOCAL)) == (b"x", None)
    assert "caller_not_allowed" not in metrics.exposition().decode()


def test_who_cannot_be_judged_is_refused(metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = RuntimeError("no policies")

    def broken(*_: object) -> bool:
        raise failure

    monkeypatch.setattr("pdp.transport.admission.Admission.judge", broken)
    door = GatedDoor(Door.CHECK, gate(metrics), unread, b"refused", metrics, reports)
    assert door(b"", LOCAL) == b"refused"
    assert reports.seen == [("check", failure)]
