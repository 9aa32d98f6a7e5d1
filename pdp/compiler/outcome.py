"""Outcomes: what rules came to, and the responses that are made of it."""

from collections.abc import Iterable
from typing import Final, NamedTuple, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.response import PolicyError, Response
from pdp.compiler.limits import MOST_RESPONSES
from pdp.compiler.rules import Rule
from pdp.evaluate.authorize import combine


class Outcome(NamedTuple):
    """What rules came to: the ids of the satisfied ones by effect, the errors, and the response if that is all."""

    allowing: tuple[str, ...]
    denying: tuple[str, ...]
    errors: tuple[PolicyError, ...]
    response: Response


def policy_error(rule: Rule, error: EvaluationError) -> PolicyError:
    """What a response says of a rule that failed."""
    return PolicyError(rule.policy_id, error.kind, error.message)


def respond(allowing: Iterable[str], denying: Iterable[str], errors: Iterable[PolicyError]) -> Response:
    """The response, its errors in the order of their policies."""
    return combine(allowing, denying, sorted(errors, key=lambda error: error.policy_id))


NOTHING: Final = Outcome((), (), (), respond((), (), ()))
"""No rule was satisfied, and none failed."""


@final
class Responses:
    """Responses without errors, kept by what determines them: to build one costs as much as to evaluate a policy."""

    __slots__ = ("_allowing", "_denying")

    def __init__(self) -> None:
        self._allowing: Final[dict[tuple[str, ...], Response]] = {}
        self._denying: Final[dict[tuple[str, ...], Response]] = {}

    def of(self, allowing: list[str], denying: list[str]) -> Response:
        """The response to these satisfied policies."""
        kept, determining = (self._denying, denying) if denying else (self._allowing, allowing)
        ids = tuple(determining)
        response = kept.get(ids)
        if response is None:
            if len(kept) >= MOST_RESPONSES:
                kept.clear()
            response = kept[ids] = respond(allowing, denying, ())
        return response
