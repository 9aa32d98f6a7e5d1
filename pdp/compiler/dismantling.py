"""Taking a rulebook apart that nobody asks any more.

Rules, chapters and plans refer to each other in circles: left alone, they would wait for the garbage collector, which
stops everything to look at everything. And to free a hundred thousand objects in one go stops everything for as long as
that takes. So they are let go one by one. Besides the rulebook, this module alone knows what is in it.
"""

from collections.abc import Iterator
from typing import Any, Final, final

from pdp.compiler.index import Node
from pdp.compiler.program import Program

_AT_ONCE: Final = 8
"""Entries that are let go in one step."""


@final
class Remains:
    """The rulebook of a program, held to be taken apart when the program is gone."""

    def __init__(self, program: Program) -> None:
        self._book: Final = program._book

    @property
    def is_seen(self) -> bool:
        """Whether somebody has a program of this rulebook still."""
        return bool(self._book._views.versions())

    def dismantle(self) -> Iterator[None]:
        """Empty the rulebook, a little at each step. Raises ValueError, and does nothing, while it is seen.

        INVARIANT: nobody may ask while rules are missing, or a `forbid` would not be found. Who has a program has a
        view, and who has none cannot ask.
        """
        if self.is_seen:
            raise ValueError("this rulebook is in use")
        book = self._book
        yield from _emptying(book._plans.by_action)
        for chapter in book._chapters._by_scope.values():
            chapter.few = None
            yield from _emptying(chapter.wide)
        index = book.index
        yield from _felling([index._by_principal, index._by_resource, index._pairs, index._pairs_by_resource])
        for responses in (book.responses._allowing, book.responses._denying):
            yield from _emptying(responses)
        for rules in (book._lifted, book._policies, book._former, book._rules, book._templates):
            yield from _emptying(rules)


def _felling(nodes: list[Node]) -> Iterator[None]:
    while nodes:
        node = nodes.pop()
        for children in (node.equal, node.above):
            yield from _emptying(children or {}, nodes)


def _emptying(entries: dict[Any, Any], nodes: list[Node] | None = None) -> Iterator[None]:
    """Let entries go; those that are nodes are put with the other nodes."""
    while entries:
        for _ in range(min(_AT_ONCE, len(entries))):
            _, value = entries.popitem()
            if nodes is not None and isinstance(value, Node):
                nodes.append(value)
        yield
