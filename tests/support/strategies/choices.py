"""Choices read from a string of bytes.

Hypothesis draws the bytes in one piece, which is far cheaper than one draw a choice, and shrinks them well: towards
fewer and smaller ones. So every list of alternatives has the simplest first, and whoever runs out of bytes gets zeros.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """A stream of choices; equal bytes give equal choices."""

    def __init__(self, entropy: bytes) -> None:
        self._entropy = entropy
        self._next = 0

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1, for bounds up to 256."""
        if self._next >= len(self._entropy):
            return 0
        byte = self._entropy[self._next]
        self._next += 1
        return byte * bound // 256

    def pick(self, alternatives: Sequence[T]) -> T:
        """One of the alternatives."""
        return alternatives[self.below(len(alternatives))]

    def rarely(self, one_in: int) -> bool:
        """True once in so many times, and never out of bytes."""
        return self.below(one_in) == one_in - 1

    def some(self, alternatives: Sequence[T], most: int) -> list[T]:
        """Up to `most` of the alternatives, the same one perhaps several times."""
        return [self.pick(alternatives) for _ in range(self.below(most + 1))] if alternatives else []
