"""What the cases of a corpus come to."""

from collections import Counter
from typing import final

from pdp.conformance.running import Disagreement, Outcome, Part, Way


@final
class Tally:
    """Counts answers. Of all `disputed` questions, the first `kept` are in `questions`, with their disagreements.

    A question is a request, or whether a case's policies are valid.
    """

    def __init__(self, kept: int) -> None:
        self.cases = 0
        self.requests = 0
        self.questions: list[list[Disagreement]] = []
        self.disputed = 0
        self._kept = kept
        self._missed: Counter[tuple[Way, Part]] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one more case."""
        self.cases += 1
        self.requests += outcome.requests
        self._missed.update((miss.way, miss.part) for miss in outcome.disagreements)
        questions: dict[str, list[Disagreement]] = {}
        for miss in outcome.disagreements:
            questions.setdefault(miss.request, []).append(miss)
        self.disputed += len(questions)
        self.questions += list(questions.values())[: self._kept - len(self.questions)]

    def total(self, part: Part) -> int:
        """How many answers were compared in each way."""
        return self.cases if part is Part.VALIDATION else self.requests

    def agreed(self, way: Way, part: Part) -> int:
        """How many of them were as expected."""
        return self.total(part) - self._missed[way, part]
