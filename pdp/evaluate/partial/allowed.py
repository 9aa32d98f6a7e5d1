"""Lists: which of the stored entities of a type would be allowed, one part of the request left open.

The policies are reduced once, for all of them; each is then decided by what is left. The answers are those of
`authorize`, one request after the other. A `forbid` that fails is skipped, as Cedar does.
"""

from collections.abc import Callable, Iterator, Sequence

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.policy import Effect, Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.evaluate.authorize import satisfied
from pdp.evaluate.partial.deciding import partial_authorize
from pdp.evaluate.partial.request import PartialContext, PartialRequest, Unknown
from pdp.evaluate.partial.response import Outcome, PartialResponse


def allowed_principals(
    principal_type: str,
    action: EntityUID,
    resource: EntityUID,
    policies: PolicySet,
    entities: Entities,
    *,
    context: Record = EMPTY_RECORD,
    schema: Schema | None = None,
) -> Iterator[EntityUID]:
    """Who of a type may do an action on a resource. See `allowed_resources`."""
    asked = PartialRequest(Unknown(principal_type, stored=True), action, resource, PartialContext(context))
    response = partial_authorize(asked, policies, entities, schema)
    return _allowed(response, entities, lambda uid: Request(uid, action, resource, context), principal_type)


def allowed_actions(
    principal: EntityUID,
    action_type: str,
    resource: EntityUID,
    policies: PolicySet,
    entities: Entities,
    *,
    context: Record = EMPTY_RECORD,
    schema: Schema | None = None,
) -> Iterator[EntityUID]:
    """Which actions of a type (`Action`, `NS::Action`) a principal may do on a resource. See `allowed_resources`.

    Groups of actions are entities of the same type: without a schema they are asked about, too.
    """
    asked = PartialRequest(principal, Unknown(action_type, stored=True), resource, PartialContext(context))
    response = partial_authorize(asked, policies, entities, schema)
    return _allowed(response, entities, lambda uid: Request(principal, uid, resource, context), action_type)


def allowed_resources(
    principal: EntityUID,
    action: EntityUID,
    resource_type: str,
    policies: PolicySet,
    entities: Entities,
    *,
    context: Record = EMPTY_RECORD,
    schema: Schema | None = None,
) -> Iterator[EntityUID]:
    """On which entities of a type in the store a principal may do an action, in the order of the store.

    With a schema, entities for which it does not accept the request are left out. It is an iterator: what is not asked
    for is not decided. Raises ConformanceError at once if the schema accepts the request for none of the type.
    """
    asked = PartialRequest(principal, action, Unknown(resource_type, stored=True), PartialContext(context))
    response = partial_authorize(asked, policies, entities, schema)
    return _allowed(response, entities, lambda uid: Request(principal, action, uid, context), resource_type)


def _allowed(
    response: PartialResponse, entities: Entities, request: Callable[[EntityUID], Request], entity_type: str
) -> Iterator[EntityUID]:
    if response.outcome is Outcome.DENY:
        return
    hopeful = [policy for policy in response.residuals.static.values() if policy.id not in response.hopeless]
    forbids = [policy for policy in hopeful if policy.effect is Effect.FORBID]
    permits = [policy for policy in hopeful if policy.effect is Effect.PERMIT]
    for entity in entities:
        if entity.uid.type != entity_type:
            continue
        asked = request(entity.uid)
        if response.schema is not None and not response.schema.accepts_request(asked):
            continue
        if not _any_holds(forbids, asked, entities) and (response.permits or _any_holds(permits, asked, entities)):
            yield entity.uid


def _any_holds(policies: Sequence[Policy], request: Request, entities: Entities) -> bool:
    return any(_holds(policy, request, entities) for policy in policies)


def _holds(policy: Policy, request: Request, entities: Entities) -> bool:
    try:
        return satisfied(policy, request, entities)
    except EvaluationError:
        return False
