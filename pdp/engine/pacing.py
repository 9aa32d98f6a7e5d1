"""How a reload shares the interpreter with the threads that answer questions.

There is one interpreter, and a thread that wants it waits for the one that has it. So a reload works for a moment and
then sleeps, which lets others have it without being asked; a thread that asks nevertheless gets it after
SWITCH_SECONDS and not after Python's 5 ms; and the garbage collector looks at a little of what is young at a time, but
not at everything there is, which would stop all threads while it finds that a million new objects are no garbage.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, final

WORK_SECONDS: Final = 0.000_1
"""How long a reload works in one go, as far as its steps let it."""

REST_SECONDS: Final = 0.000_5
"""How long it sleeps after that; the system adds what it takes to wake up."""

SWITCH_SECONDS: Final = 0.000_1
"""After how long a thread that has the interpreter must give it to one that waits, while a reload is under way."""

_OFTEN: Final = 1
_NEVER: Final = 2**30
"""Collections of the youngest objects before one of the middle generation, and of those before one of everything. The
more often, the less there is to look at each time: what was loaded in between cannot be told from garbage before."""


@final
class Pace:
    """Called after each step of some work: sleeps if it was time to. For one thread."""

    def __init__(
        self,
        work: float = WORK_SECONDS,
        rest: float = REST_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._work: Final = work
        self._rest: Final = rest
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._since = clock()

    def __call__(self) -> None:
        """Rest, if the last rest is long enough ago."""
        if self._clock() - self._since >= self._work:
            self._sleep(self._rest)
            self._since = self._clock()


@contextmanager
def standing_back(*, alone: bool, again: bool) -> Iterator[None]:
    """While it lasts, others get the interpreter quickly, and nobody waits for a collection of everything.

    When it ends well, whatever there is then is taken for permanent, and the collector never looks at it again: what is
    no longer needed must be taken apart (`retiring`). All of this is the whole process's: nothing of it happens unless
    the process is `alone`, without any other purpose. `again`: it has been done before.
    """
    if not alone:
        yield
        return
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    if again:  # what was put away the last time is not looked at: there is little else
        gc.collect()
    # Not off altogether: questions are answered meanwhile, and what garbage they make would be put away with the rest.
    gc.set_threshold(thresholds[0], _OFTEN, _NEVER)
    try:
        yield
        gc.freeze()
    finally:
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
