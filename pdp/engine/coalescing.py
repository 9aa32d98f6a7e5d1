"""Identical questions that are asked at the same time are answered by one evaluation.

The first one leads, the others wait. Nobody depends on the leader: who has waited `PATIENCE`, or was left without an
answer because the leader failed or made one that is not for others, answers by itself.
"""

from collections.abc import Hashable
from threading import Lock
from typing import Final, Generic, TypeVar, final

Answer = TypeVar("Answer")

PATIENCE: Final = 0.1
"""Seconds that a question waits for another one's answer: far above any evaluation, far below any caller's deadline."""


@final
class Flight(Generic[Answer]):
    """A question that is being answered, by the thread that made this; `answer` is there when it has landed, or not."""

    __slots__ = ("_landed", "answer")

    def __init__(self) -> None:
        self.answer: Answer | None = None
        # A bare lock that is taken until the landing: an Event costs ten times as much, and nobody waits most times.
        self._landed = Lock()
        self._landed.acquire()

    def wait(self, patience: float) -> Answer | None:
        """The leader's answer; None if there is none for others, or not yet."""
        if self._landed.acquire(timeout=patience):
            self._landed.release()
        return self.answer

    def land(self) -> None:
        """Let everybody go on who waits."""
        self._landed.release()


class Flights(Generic[Answer]):
    """The questions that are being answered: as many as there are threads, at most."""

    __slots__ = ("_by_question", "_patience")

    def __init__(self, patience: float = PATIENCE) -> None:
        self._by_question: Final[dict[Hashable, Flight[Answer]]] = {}
        self._patience = patience

    def join(self, question: Hashable, mine: Flight[Answer]) -> Flight[Answer]:
        """The flight of a question: `mine`, if nobody is answering it. Then it must be ended, whatever happens."""
        return self._by_question.setdefault(question, mine)

    def wait(self, flight: Flight[Answer]) -> Answer | None:
        """The answer of whoever leads, if there is one in time that is for others."""
        return flight.wait(self._patience)

    def end(self, question: Hashable, flight: Flight[Answer]) -> None:
        """Called by whoever leads, with `flight.answer` set if there is one. From here on, a new question leads."""
        del self._by_question[question]
        flight.land()
