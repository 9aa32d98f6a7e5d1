"""The order of the deciders, and why.

    FailClosed      outermost: whatever goes wrong inside becomes a deny with a reason, so nothing may stand outside it
    Evaluating      innermost: the only one that asks policies

What is recorded, cached or bounded in time gets its place between the two.
"""

from collections.abc import Callable
from typing import final

from pdp.config import FreshnessConfig
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld


@final
class FailClosed:
    """Turns any exception into a deny, and tells `report` of it: a defect must be seen, and must not open the door."""

    def __init__(self, inner: Decider, report: Callable[[Exception], None]) -> None:
        self._inner = inner
        self._report = report

    def decide(self, request: CheckRequest) -> Verdict:
        """The inner answer, or a deny."""
        try:
            return self._inner.decide(request)
        except Exception as error:  # the one place where every failure must become a deny
            self._report(error)
            return deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied")


def build_chain(
    current: CurrentWorld, ages: FreshnessConfig, now: Callable[[], int], report: Callable[[Exception], None]
) -> Decider:
    """The whole chain over the current world. `report` gets every unexpected exception and must not raise."""
    return FailClosed(Evaluating(current, ages, now), report)
