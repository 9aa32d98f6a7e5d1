"""Callers, and who judges them, for tests of the doors."""

from typing import Final

from pdp.engine.callers.judging import CallerAction, CallerDoor, Switches, load_caller_policies
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.admission import Admission, Gate
from pdp.transport.callers import Caller, Way, caller_at
from pdp.transport.door import Answer, GatedDoor

LOCAL: Final = caller_at("127.0.0.1")
FAR: Final = caller_at("192.0.2.1")
UNIX: Final = Caller(Way.UNIX)


def admission(metrics: Metrics, *, accept_asserted: bool = True, explain: bool = True) -> Admission:
    """Judges by the built-in policies alone."""
    return Admission(load_caller_policies(None), Switches(accept_asserted, explain), metrics)


def gate(metrics: Metrics, action: CallerAction = CallerAction.CHECK) -> Gate:
    """The gate of `pdp.v1`, by the built-in policies alone."""
    return admission(metrics).gate(action, CallerDoor.DECISIONS)


def gated(inner: Answer, action: CallerAction = CallerAction.CHECK, refused: bytes = b"refused") -> GatedDoor:
    """A door of `pdp.v1` before which callers are judged by the built-in policies alone."""

    def report(place: str, error: Exception) -> None:
        raise AssertionError(place) from error

    return GatedDoor(Door.CHECK, gate(Metrics(), action), inner, refused, Metrics(), report)
