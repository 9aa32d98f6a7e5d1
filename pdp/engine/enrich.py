"""Step 5 of a request: join the facts to it. One world, one `now`; what is not fresh is absent, and visibly so.

The engine owns four records of the Cedar context; a PEP that sends one of them is refused, not overruled:

    auth      method, freshness, acr?, amr          how and when the subject proved who it is
    device    freshness, id?, and facts of posture  only while fresh
    workload  freshness, and facts of posture       of the principal itself, only while fresh
    grant     status, id?                           the best grant that covers this very request
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError, ConformanceError
from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_entity, check_request
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.config import FreshnessConfig
from pdp.context import freshness
from pdp.context.facts import Freshness, Grant, GrantStatus, Posture
from pdp.engine.decider import CheckRequest
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import applies
from pdp.identity.subject import Subject

OWNED: Final = frozenset({"auth", "device", "workload", "grant"})
"""Names of the context that only the engine writes."""


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
    if taken := OWNED & check.context.fields.keys():
        names = ", ".join(f"`{name}`" for name in sorted(taken))
        raise RequestRefused(f"the context holds {names}", help="these names are written by the decision point alone")
    entities = _with_subject(check.subject, world)
    device = _device(check)
    auth, auth_ends = _auth(check.subject, now, ages)
    device_record, device_ends = _posture(device, world, now, ages.device)
    workload_record, workload_ends = _posture(check.subject.uid, world, now, ages.workload)
    bare = Request(check.subject.uid, check.action, check.resource)
    covering = tuple(_covering(bare, entities, world))
    grant, in_force = _grant(covering, now)
    context = dict(check.context.fields)
    context["auth"] = auth
    context["device"] = Record(device_record if device is None else {**device_record, "id": device})
    context["workload"] = Record(workload_record)
    context["grant"] = grant
    request = Request(bare.principal, bare.action, bare.resource, Record(context))
    check_request(world.schema, request)
    ends = (auth_ends, device_ends, workload_ends, check.subject.expires_at, *(_grant_ends(g, now) for g in covering))
    return Enriched(
        request,
        entities,
        frozenset(grant.id for grant in covering if grant.id not in in_force),
        min((end for end in ends if end is not None), default=None),
    )
