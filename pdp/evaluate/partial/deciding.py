"""Decides a partial request over a set of policies, and a partial response further."""

from collections.abc import Iterable

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Effect, Policy, PolicySet
from pdp.cedar.response import PolicyError
from pdp.cedar.schema.model import Schema
from pdp.evaluate.partial.policies import PolicyReducer, Residual
from pdp.evaluate.partial.request import PartialRequest, PartialRequestError
from pdp.evaluate.partial.response import PartialResponse
from pdp.evaluate.partial.unknowns import variables
from pdp.evaluate.partial.world import World


def partial_authorize(
    request: PartialRequest, policies: PolicySet, entities: Entities, schema: Schema | None = None
) -> PartialResponse:
    """What is certain of the decision, and the policies that it still depends on.

    With a schema, more is certain: every completion is taken to be a request that the schema accepts, and every entity
    of the store, actions included, to be as declared (`schema.conform`); the store is not checked here.
    Raises ConformanceError if the schema accepts no completion.
    """
    return _decide(request, policies.linked(), entities, schema)


def refine(response: PartialResponse, request: PartialRequest, entities: Entities) -> PartialResponse:
    """The response to a request of which more is known: as if asked at once, but only the residuals are looked at.

    `entities` is the store of the response. Raises PartialRequestError if the request contradicts the response's, and
    ConformanceError as `partial_authorize` does.
    """
    if not response.request.admits(request, entities):
        raise PartialRequestError(
            "the request does not refine the partial one", help="keep what is known, and the types that were said"
        )
    rest = _decide(request, response.residuals.static.values(), entities, response.schema)
    return PartialResponse(
        request,
        response.permits | rest.permits,
        response.forbids | rest.forbids,
        response.unsatisfied | rest.unsatisfied,
        (*response.errors, *rest.errors),
        rest.residuals,
        rest.hopeless,
        response.schema,
    )


def _decide(
    request: PartialRequest, policies: Iterable[Policy], entities: Entities, schema: Schema | None
) -> PartialResponse:
    reducer = PolicyReducer(World(variables(request, schema), entities, schema))
    satisfied: dict[Effect, set[str]] = {effect: set() for effect in Effect}
    unsatisfied: set[str] = set()
    errors: list[PolicyError] = []
    residuals: list[Residual] = []
    for policy in policies:
        left = reducer.reduce(policy)
        if isinstance(left, Residual):
            residuals.append(left)
        elif isinstance(left, PolicyError):
            errors.append(left)
        else:
            (satisfied[policy.effect] if left else unsatisfied).add(policy.id)
    return PartialResponse(
        request,
        frozenset(satisfied[Effect.PERMIT]),
        frozenset(satisfied[Effect.FORBID]),
        frozenset(unsatisfied),
        tuple(errors),
        PolicySet(residual.policy for residual in residuals),
        frozenset(residual.policy.id for residual in residuals if not residual.may_hold),
        schema,
    )
