"""Who may do what: each door asks here before it reads a request. The answers are those of policies about callers
(`pdp.engine.callers`), remembered for as long as the policies stay.
"""

from itertools import product
from typing import Final, TypeAlias, final

from pdp.engine.callers.judging import CallerAction, CallerDoor, CallerPolicies, Switches
from pdp.engine.decider import ReasonClass, deny
from pdp.telemetry.metrics import Metrics
from pdp.transport.callers import Caller

REFUSED: Final = deny(ReasonClass.CALLER_NOT_ALLOWED, "this caller may not ask here")
"""The answer to a caller that may not use a door. It says nothing of the question, which was not read."""

_REMEMBERED: Final = 8_192
"""Answers that are remembered; then all are forgotten."""

_Answers: TypeAlias = dict[tuple[Caller, "Gate"], bool]


@final
class Admission:
    """Judges callers, and counts whom it refuses."""

    def __init__(self, policies: CallerPolicies, switches: Switches, metrics: Metrics) -> None:
        self._switches = switches
        self._metrics = metrics
        self._state: tuple[CallerPolicies, _Answers] = (policies, {})
        self._gates = {(action, door): Gate(self, action, door) for action, door in product(CallerAction, CallerDoor)}

    @property
    def policies(self) -> CallerPolicies:
        """The policies that it judges by."""
        return self._state[0]

    def replace(self, policies: CallerPolicies) -> None:
        """Judge by other policies from the next question on, of callers that are connected already, too."""
        # INVARIANT: answers stay with the policies that gave them; a thread that still has the old pair fills the old.
        self._state = (policies, {})

    def gate(self, action: CallerAction, door: CallerDoor) -> "Gate":
        """What stands before a door, or before one thing that can be done there."""
        return self._gates[action, door]

    def permits(self, caller: Caller, action: CallerAction, door: CallerDoor) -> bool:
        """Whether the caller may do this at the door. A no is counted."""
        return self.gate(action, door).admits(caller)

    def judge(self, caller: Caller, gate: "Gate") -> bool:
        """What policies say of a caller at a gate. A no is counted."""
        policies, answers = self._state
        key = (caller, gate)
        permitted = answers.get(key)
        if permitted is None:
            permitted = policies.permits(caller.entity(), gate.action, gate.door, self._switches)
            if len(answers) >= _REMEMBERED:
                answers.clear()
            answers[key] = permitted
        if not permitted:
            self._metrics.caller_refused(gate.action.value)
        return permitted


@final
class Gate:
    """Stands before a door. There is one of a kind: it is a key, and equal to itself alone."""

    __slots__ = ("_admission", "action", "door")

    def __init__(self, admission: Admission, action: CallerAction, door: CallerDoor) -> None:
        self._admission = admission
        self.action: Final = action
        self.door: Final = door

    def admits(self, caller: Caller) -> bool:
        """Whether the caller may come in."""
        return self._admission.judge(caller, self)
