"""The order of the deciders, and why.

    FailClosed      outermost: whatever goes wrong inside becomes a deny with a reason, so nothing may stand outside it
    Observing       only where decisions are traced or slow ones logged: all that the engine does is timed
    Caching         answers what was asked before, and lets one evaluation answer what is asked at the same time; within
                    a request it reads the world and the time once, and evaluates by the same
    Evaluating      innermost: asks policies. Where nothing is cached, it stands alone

What records answers gets its place above the cache: a cached answer is one more answer, and is recorded as such.
So an answer that could not be recorded leaves nobody; that the cache has it changes nothing, since whoever gets it from
there has it recorded or does not get it. What bounds a request's time goes there, too.
"""

from collections.abc import Callable
from typing import final

from pdp.config import FreshnessConfig
from pdp.engine.caching import Caching
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld
from pdp.telemetry.observing import concerning


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
            with concerning(request.request_id):
                self._report(error)
            return deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied")


def build_chain(
    current: CurrentWorld,
    ages: FreshnessConfig,
    now: Callable[[], int],
    report: Callable[[Exception], None],
    caching: Caching | None = None,
    observing: Callable[[Decider], Decider] | None = None,
) -> Decider:
    """The whole chain over the current world, with a cache that was built from the same three, or without one.

    `report` gets every unexpected exception and must not raise. `observing` puts `engine.observing` around the cache.
    """
    inner: Decider = caching or Evaluating(current, ages, now)
    return FailClosed(inner if observing is None else observing(inner), report)
