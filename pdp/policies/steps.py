"""Work in steps, so that whoever drives it can let others run in between."""

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

Result = TypeVar("Result")

Steps: TypeAlias = Generator[None, None, Result]
"""Work that pauses often, and gives its result in the end."""


def finish(steps: Steps[Result], pause: Callable[[], None] | None = None) -> Result:
    """Do all of the work; call `pause`, if there is one, after each step."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result
        if pause is not None:
            pause()
