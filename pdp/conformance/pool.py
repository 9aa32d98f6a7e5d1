"""Many cases by several processes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Final

from pdp.conformance.cases import Case
from pdp.conformance.files import CorpusError
from pdp.conformance.running import Outcome, run_case

_CHUNK: Final = 64
"""Cases that a process is given at once: a fraction of a second's work."""


def run_cases(cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    """What becomes of the cases, in their order, whatever the number of processes. Raises CorpusError if one ends.

    No more processes are started than there is work for.
    """
    workers = min(jobs, -(-len(cases) // _CHUNK))
    if workers <= 1:
        yield from map(run_case, cases)
        return
    # A fresh process has nothing of this one's threads and locks, on every system alike.
    with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
        try:
            yield from executor.map(run_case, cases, chunksize=_CHUNK)
        except BrokenProcessPool as fault:
            raise CorpusError("a process ended before its work was done", help="try `--jobs 1`") from fault
