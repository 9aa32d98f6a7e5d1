"""Step 5 of a request: join the facts to it. One world, one `now`; what is not fresh is absent, and visibly so.

The engine owns four records of the Cedar context; a PEP that sends one of them is refused, not overruled:

    auth      method, freshness, acr?, amr          how and when the subject proved who it is; `auth_time` while fresh,
                                                    where the schema declares it
    device    freshness, id?, and facts of posture  only while fresh
    workload  freshness, and facts of posture       of the principal itself, only while fresh
    grant     status, id?                           the best grant that covers this very request
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_entity, check_request
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import RecordType
from pdp.cedar.values import Datetime, EntityUID, Record, Set, Value
from pdp.config import FreshnessConfig
from pdp.context.facts import Freshness, Grant, GrantStatus
from pdp.context.freshness import freshness, freshness_ends, grant_ends, grant_status
from pdp.engine.decider import CheckRequest
from pdp.engine.grants import grants_near
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import applies
from pdp.identity.subject import Subject

OWNED: Final = frozenset({"auth", "device", "workload", "grant"})
"""Names of the context that only the engine writes."""


AUTH_TIME: Final = "auth_time"
"""The attribute of `context.auth` that only some schemas have: when the subject authenticated, a datetime."""


class RequestRefused(CedarError):
    """The request contradicts itself or the schema; it is denied without asking a policy."""

    code = "request_refused"


@final
@dataclass(frozen=True, slots=True)
class Enriched:
    """A Cedar request with its facts.

    `not_in_force` are links that cover the request but whose time has not come or is over. `valid_until` is the first
    instant (ms) at which any of the facts used changes by itself, or None.
    """

    request: Request
    entities: Entities
    not_in_force: frozenset[str]
    valid_until: int | None


def enrich(check: CheckRequest, world: World, now: int, ages: FreshnessConfig) -> Enriched:
    """Join the facts. Raises RequestRefused, or ConformanceError for what does not fit the schema."""
    refuse_owned(check.context)
    subject = check.subject
    entities = with_resource(check.resource, check.resource_facts, with_subject(subject, world), world)
    bare = Request(subject.uid, check.action, check.resource)
    covering = tuple(covering_grants(bare, entities, world))
    device = device_of(subject, check.device)
    context = {
        **check.context.fields,
        "auth": auth_facts(subject, now, ages, tells_auth_time(world.schema, check.action)),
        "device": device_facts(device, world, now, ages),
        "workload": workload_facts(subject.uid, world, now, ages),
        "grant": grant_facts(covering, now),
    }
    request = replace(bare, context=Record(context))
    check_request(world.schema, request)
    ends = (
        subject.expires_at,
        freshness_ends(subject.authenticated_at, ages.authentication, now),
        _posture_ends(device, world, now, ages.device),
        _posture_ends(subject.uid, world, now, ages.workload),
        *(grant_ends(grant, now) for grant in covering),
    )
    return Enriched(
        request,
        entities,
        frozenset(grant.id for grant in covering if grant_status(grant, now) is not GrantStatus.ACTIVE),
        min((end for end in ends if end is not None), default=None),
    )


def refuse_owned(context: Record) -> None:
    """Raises RequestRefused for a context of a caller that holds what is the engine's to say."""
    if taken := OWNED & context.fields.keys():
        names = ", ".join(f"`{name}`" for name in sorted(taken))
        raise RequestRefused(f"the context holds {names}", help="these names are written by the decision point alone")


def with_subject(subject: Subject, world: World) -> Entities:
    """The stored entities; what the credential says of its own subject is laid over them, and a stored fact wins.

    Raises ConformanceError, EntityError for what the credential says.
    """
    stored = world.facts.entities
    said = subject.entity
    if not said.attrs and not said.parents:
        return stored
    known = stored.get(said.uid) or Entity(said.uid)
    merged = Entity(said.uid, {**said.attrs, **known.attrs}, known.parents | said.parents, known.tags)
    check_entity(world.schema, merged)
    return stored.overlaid(merged)


def with_resource(resource: EntityUID, said: Record, entities: Entities, world: World) -> Entities:
    """The entities; what the PEP says of the resource is laid over them, and a stored fact wins.

    Raises ConformanceError for what the PEP says.
    """
    if not said.fields:
        return entities
    known = entities.get(resource) or Entity(resource)
    merged = Entity(resource, {**said.fields, **known.attrs}, known.parents, known.tags)
    check_entity(world.schema, merged)
    return entities.overlaid(merged)


def device_of(subject: Subject, named: EntityUID | None) -> EntityUID | None:
    """The device of a request that names one, or none. A credential bound to one device is not honoured from another:
    raises RequestRefused.
    """
    bound = subject.device
    if bound is not None and named is not None and bound != named:
        raise RequestRefused(
            f"the credential is bound to `{bound}` and the request names `{named}`",
            help="ask with a credential of the device that makes the request",
        )
    return bound or named


def tells_auth_time(schema: Schema, action: EntityUID) -> bool:
    """Whether policies for an action may read when the subject authenticated: whether the schema declares that."""
    declared = schema.actions.get(action)
    auth = None if declared is None else declared.context.attributes.get("auth")
    return auth is not None and isinstance(auth.type, RecordType) and AUTH_TIME in auth.type.attributes


def auth_facts(subject: Subject, now: int, ages: FreshnessConfig, tells_time: bool) -> Record:
    """`context.auth`; with the time of authentication, if that is to be told."""
    auth: dict[str, Value] = {
        "method": subject.method.value,
        "freshness": freshness(subject.authenticated_at, ages.authentication, now).value,
        "amr": Set(sorted(subject.amr)),
    }
    if subject.acr is not None:
        auth["acr"] = subject.acr
    at = subject.authenticated_at
    if tells_time and at is not None and auth["freshness"] == Freshness.FRESH.value:
        auth[AUTH_TIME] = Datetime(at)
    return Record(auth)


def device_facts(device: EntityUID | None, world: World, now: int, ages: FreshnessConfig) -> Record:
    """`context.device`."""
    return _posture(device, world, now, ages.device, {} if device is None else {"id": device})


def workload_facts(principal: EntityUID, world: World, now: int, ages: FreshnessConfig) -> Record:
    """`context.workload`."""
    return _posture(principal, world, now, ages.workload, {})


def _posture(subject: EntityUID | None, world: World, now: int, max_age: int, given: Mapping[str, Value]) -> Record:
    posture = None if subject is None else world.facts.posture.get(subject)
    state = freshness(None if posture is None else posture.observed_at, max_age, now)
    facts = posture.facts if posture is not None and state is Freshness.FRESH else {}
    return Record({**facts, **given, "freshness": state.value})


def _posture_ends(subject: EntityUID | None, world: World, now: int, max_age: int) -> int | None:
    posture = None if subject is None else world.facts.posture.get(subject)
    return None if posture is None else freshness_ends(posture.observed_at, max_age, now)


def covering_grants(request: Request, entities: Entities, world: World) -> Iterator[Grant]:
    """Grants whose link's scope holds for this request, whether they are in force or not."""
    if not world.grants:
        return
    principal, resource = request.principal, request.resource
    above, far = [
        _NOWHERE if entity is None else entity.ancestors for entity in map(entities.get, (principal, resource))
    ]
    for grant in grants_near(world.grants, (principal, *above), {resource, *far}):
        if applies(world.program.policy(grant.id), request, entities):
            yield grant


_NOWHERE: Final[frozenset[EntityUID]] = frozenset()
_RANK: Final = {GrantStatus.ACTIVE: 0, GrantStatus.EXPIRED: 1, GrantStatus.PENDING: 2}


def grant_facts(covering: Iterable[Grant], now: int) -> Record:
    """`context.grant`, of the grants that cover a request: the best of them, of equals the one that ends last.

    One in force is best, then one that is over, then one to come.
    """
    best = min(covering, key=lambda grant: (_RANK[grant_status(grant, now)], -grant.expires_at, grant.id), default=None)
    if best is None:
        return Record({"status": GrantStatus.NONE.value})
    return Record({"status": grant_status(best, now).value, "id": best.id})
