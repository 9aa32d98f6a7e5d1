"""What is certain of a decision while a part of the request is not known, and what it still depends on."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final, NoReturn, final

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Effect, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, PolicyError, Response
from pdp.cedar.schema.conform import check_request
from pdp.cedar.schema.model import Schema
from pdp.evaluate.authorize import authorize, combine
from pdp.evaluate.partial.request import PartialRequest, PartialRequestError

_NO_IDS: Final[frozenset[str]] = frozenset()


@unique
class Outcome(Enum):
    """The decision, if every completion of the request has the same one. No truth value, for `Decision`'s reason."""

    ALLOW = "allow"
    DENY = "deny"
    UNDECIDED = "undecided"

    def __bool__(self) -> NoReturn:
        raise TypeError("an Outcome has no truth value; compare it: `outcome is Outcome.ALLOW`")


@final
@dataclass(frozen=True, slots=True)
class PartialResponse:
    """The policies of a set, each in one place.

    permits, forbids   ids of those that are certainly satisfied
    unsatisfied        ids of those that certainly are not
    errors             those that certainly fail, and how
    residuals          those that the unknowns decide, as policies with the same ids, effects and annotations
    hopeless           ids of the residuals that are never satisfied: they are false or fail

    It stands for the completions of `request` and for the store it was made with; with a schema, for those that the
    schema accepts.
    """

    request: PartialRequest
    permits: frozenset[str]
    forbids: frozenset[str]
    unsatisfied: frozenset[str]
    errors: tuple[PolicyError, ...]
    residuals: PolicySet
    hopeless: frozenset[str]
    schema: Schema | None = None

    @property
    def outcome(self) -> Outcome:
        """The decision if it is certain: the residuals may still add reasons and errors to it."""
        hopeful = {policy.effect for policy in self.residuals.static.values() if policy.id not in self.hopeless}
        if self.forbids or not (self.permits or Effect.PERMIT in hopeful):
            return Outcome.DENY
        if self.permits and Effect.FORBID not in hopeful:
            return Outcome.ALLOW
        return Outcome.UNDECIDED

    def complete(self, request: Request, entities: Entities) -> Response:
        """What `authorize` answers to a completion, by evaluating the residuals alone; `entities` is the same store.

        Raises PartialRequestError for a request that is no completion, ConformanceError for one the schema refuses.
        """
        if not self.request.completed_by(request, entities):
            raise PartialRequestError(
                "the request does not complete the partial one",
                help="keep what is known, and give the unknowns values of the types that were said",
            )
        if self.schema is not None:
            check_request(self.schema, request)
        rest = authorize(request, self.residuals, entities)
        allowing = rest.reasons if rest.decision is Decision.ALLOW else _NO_IDS
        denying = rest.reasons if rest.decision is Decision.DENY else _NO_IDS
        return combine(self.permits | allowing, self.forbids | denying, (*self.errors, *rest.errors))
