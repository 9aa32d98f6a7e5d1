"""Facts in memory: the store of a single decision point that loads its facts from files."""

from dataclasses import replace
from threading import Lock
from types import MappingProxyType
from typing import final

from pdp.context.store import ContextSnapshot, Facts


@final
class MemoryStore:
    """A `ContextStore` that lives as long as its process. Revisions start at 1 with the first write."""

    def __init__(self) -> None:
        self._lock = Lock()
        # Replaced whole and never changed: a reader takes the attribute, which is atomic in CPython, and no lock.
        self._current = ContextSnapshot(0, Facts())

    def snapshot(self) -> ContextSnapshot:
        """The newest facts."""
        return self._current

    def replace(self, facts: Facts) -> int:
        """Put these facts in place of all others; what the writer does to its own mappings later changes nothing."""
        kept = replace(facts, posture=MappingProxyType(dict(facts.posture)), grants=tuple(facts.grants))
        with self._lock:  # one writer at a time, or two of them would get the same revision
            revision = self._current.revision + 1
            self._current = ContextSnapshot(revision, kept)
        return revision
