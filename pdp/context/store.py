"""The port behind which facts live. Writers get a revision; readers get an immutable snapshot and never wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, final

from pdp.cedar.errors import CedarError
from pdp.context.changes import Change, Key
from pdp.context.facts import Facts
from pdp.context.state import Believed, State


class StoreError(CedarError):
    """A store that cannot be opened, read or written; what was to be written is not there."""

    code = "store"


class HistoryGoneError(CedarError):
    """A moment that lies before the history which is kept."""

    code = "history_gone"


@final
@dataclass(frozen=True, slots=True)
class ContextSnapshot:
    """What is believed, and the revision that it stands at. Immutable: a reader may keep it as long as it likes."""

    revision: int
    state: State = field(default_factory=State)

    @property
    def facts(self) -> Facts:
        """What decisions are made from."""
        return self.state.facts


Check: TypeAlias = Callable[[ContextSnapshot], None]
"""Called with the snapshot that is to be, before it is durable or visible; whatever it raises, nothing is written."""


def accept(_: ContextSnapshot) -> None:
    """The check that has no objection."""


class ContextStore(Protocol):
    """A revisioned store of facts, with their history."""

    def snapshot(self) -> ContextSnapshot:
        """The newest facts. Never blocks, never raises; revision 0 with no facts before the first write."""
        ...

    def write(self, changes: Sequence[Change], source: str, observed_at: int, check: Check = accept) -> ContextSnapshot:
        """Make these changes, all or none, and return what is believed then: durable and visible on return.

        `observed_at` (ms) is when the source saw it so. Also without a change there is a new revision.

        Raises ChangeError or EntityError for changes that contradict the facts, StoreError when they cannot be kept,
        and what `check` raises.
        """
        ...

    def believed(self, key: Key, instant: int) -> Believed | None:
        """What was believed of one thing at an instant (ms), and who had said so; None: nothing was.

        Raises HistoryGoneError, StoreError.
        """
        ...

    def close(self) -> None:
        """Give back what the store holds open. Harmless when repeated."""
        ...
