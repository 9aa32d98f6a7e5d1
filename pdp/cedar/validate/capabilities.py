"""Capabilities: what is known where an expression is evaluated, because something before it was true.

Behind `principal has phone &&` it is known that `principal.phone` is there. The expression itself is the key: the same
question about what is written otherwise, as in `(if true then principal else principal).phone`, is another one.
"""

from collections.abc import Set
from typing import Final, TypeAlias, final

from pdp.cedar.nodes import Expr

Capability: TypeAlias = tuple[Expr, str | Expr]
"""An expression, and the attribute (by its name) or the tag (by the expression that names it) that it has."""

Capabilities: TypeAlias = Set[Capability]

NOTHING: Final[Capabilities] = frozenset()


@final
class Known:
    """What is known at one place: what has been learned there, and what is known around it.

    A place is told what it learns and is not copied, so that a chain of `has` takes time by its length and not by the
    square of it.
    """

    __slots__ = ("_around", "_learned")

    def __init__(self, around: "Known | None" = None) -> None:
        self._around: Final = around
        self._learned: Final[set[Capability]] = set()

    def learn(self, capabilities: Capabilities) -> None:
        """From now on, these are known here."""
        self._learned.update(capabilities)

    @property
    def learned(self) -> Capabilities:
        """What has been learned here."""
        return self._learned

    def __contains__(self, capability: Capability) -> bool:
        place: Known | None = self
        while place is not None:
            if place._learned and capability in place._learned:
                return True
            place = place._around
        return False
