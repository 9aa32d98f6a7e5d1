"""Decides questions of which a part is not known, and lists who or what would be allowed.

The facts join as in `enrich`, as far as the question is known; what they depend on is as unknown as they are:

    auth      known with the principal, whose credential it speaks of
    device    known with the device; one that is not named is taken to be none if the principal is known, else unknown
    workload  known with the principal
    grant     known with principal, action and resource; before, where no grant can cover the request

Entities are taken to be as they are stored: nobody knows what a credential would say of an unknown principal, or a
caller of a resource. What is certain is so for every question that completes the partial one in this sense and that the
engine does not refuse.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, TypeAlias, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import CedarError, ConformanceError
from pdp.cedar.policy import Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.request import Request
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record, Value
from pdp.config import FreshnessConfig
from pdp.context.facts import GrantStatus
from pdp.context.freshness import grant_status
from pdp.engine.decider import ReasonClass
from pdp.engine.enrich import (
    OWNED,
    auth_facts,
    covering_grants,
    device_facts,
    device_of,
    grant_facts,
    refuse_owned,
    tells_auth_time,
    with_subject,
    workload_facts,
)
from pdp.engine.evaluating import describe, message_of
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import applies
from pdp.evaluate.partial import (
    Outcome,
    PartialContext,
    PartialRequest,
    PartialResponse,
    Unknown,
    partial_authorize,
    refine,
)
from pdp.identity.mapping import asserted_subject
from pdp.identity.subject import Subject

__all__ = ["Outcome", "PartialCheck", "PartialDecider", "PartialVerdict", "Unknown"]

EntityOrUnknown: TypeAlias = EntityUID | Unknown

_ANYBODY: Final = EntityUID("Anybody", "")
"""Stands where nothing looks."""


@final
@dataclass(frozen=True, slots=True)
class PartialCheck:
    """A question of which parts are not known.

    `unknown` names attributes of the context that are not known although they might be, those of the engine included.
    With `open_context`, a caller may say more in the context than is said here.
    """

    subject: Subject | Unknown
    action: EntityOrUnknown
    resource: EntityOrUnknown
    context: Record = EMPTY_RECORD
    device: EntityUID | None = None
    unknown: frozenset[str] = frozenset()
    open_context: bool = False


@final
@dataclass(frozen=True, slots=True)
class PartialVerdict:
    """What is certain. `response` is None if the engine refuses the question, whatever the unknowns are.

    `reason` and `message` say why; while the decision is open there is no reason.
    """

    outcome: Outcome
    reason: ReasonClass | None
    message: str
    response: PartialResponse | None = None

    @property
    def depends_on(self) -> tuple[Policy, ...]:
        """The residual policies that decide, forbids first, each by id; none once the decision is certain.

        A forbid that cannot hold is one of them: it may fail, and then denies.
        """
        response = self.response
        if response is None or self.outcome is not Outcome.UNDECIDED:
            return ()
        residuals = response.residuals.static.values()
        forbids = [policy for policy in residuals if policy.effect is Effect.FORBID]
        permits = [policy for policy in residuals if policy.effect is Effect.PERMIT]
        hopeful = [policy for policy in permits if policy.id not in response.hopeless]
        by_id = attrgetter("id")
        return (*sorted(forbids, key=by_id), *(() if response.permits else sorted(hopeful, key=by_id)))


@final
class PartialDecider:
    """Decides partial questions from one world at one instant (ms)."""

    def __init__(self, world: World, ages: FreshnessConfig, now: int) -> None:
        self._world = world
        self._ages = ages
        self._now = now
        self._policies = _in_force(world, now)

    def decide(self, check: PartialCheck) -> PartialVerdict:
        """What is certain of the answers of `Evaluating`. Never raises."""
        try:
            entities = self._entities(check)
            request = self._request(check, entities)
            response = partial_authorize(request, self._policies, entities, self._world.schema)
        except CedarError as error:
            return PartialVerdict(Outcome.DENY, ReasonClass.INVALID_REQUEST, error.message)
        return self._verdict(response)

    def candidates(self, check: PartialCheck, verdict: PartialVerdict) -> Iterator[tuple[EntityUID, PartialVerdict]]:
        """The stored entities that the one unknown of a question may be, with what is certain of each; no denied ones.

        `verdict` is the answer to the question, of which exactly one of subject, action and resource is not known.
        """
        if verdict.response is None or verdict.outcome is Outcome.DENY:
            return
        entities = self._entities(check)
        for entity in entities:
            narrowed = _narrowed(check, entity.uid)
            if narrowed is None:
                continue
            try:
                response = refine(verdict.response, self._request(narrowed, entities), entities)
            except ConformanceError:  # the schema accepts no such request, and the engine would refuse it
                continue
            narrower = self._verdict(response)
            if narrower.outcome is not Outcome.DENY:
                yield entity.uid, narrower

    def _entities(self, check: PartialCheck) -> Entities:
        if isinstance(check.subject, Unknown):
            return self._world.facts.entities
        return with_subject(check.subject, self._world)

    def _request(self, check: PartialCheck, entities: Entities) -> PartialRequest:
        """The facts joined. Raises RequestRefused."""
        refuse_owned(check.context)
        subject = check.subject
        principal = subject if isinstance(subject, Unknown) else subject.uid
        owned: dict[str, Value | None] = {
            "auth": None,
            "device": None,
            "workload": None,
            "grant": self._grant(principal, check.action, check.resource, entities),
        }
        if check.device is not None:
            owned["device"] = device_facts(check.device, self._world, self._now, self._ages)
        if not isinstance(subject, Unknown):
            device = device_of(subject, check.device)
            owned["auth"] = self._auth(subject, check.action)
            owned["device"] = device_facts(device, self._world, self._now, self._ages)
            owned["workload"] = workload_facts(subject.uid, self._world, self._now, self._ages)
        known = {name: facts for name, facts in owned.items() if facts is not None and name not in check.unknown}
        context = PartialContext(
            Record({**check.context.fields, **known}),
            present=OWNED - known.keys(),
            optional=check.unknown - OWNED,
            others=check.open_context,
        )
        return PartialRequest(principal, check.action, check.resource, context)

    def _auth(self, subject: Subject, action: EntityOrUnknown) -> Record | None:
        """`context.auth`, or None while it depends on which action it is."""
        schema = self._world.schema
        actions = schema.actions if isinstance(action, Unknown) else (action,)
        told = {tells_auth_time(schema, each) for each in actions}
        facts = [auth_facts(subject, self._now, self._ages, each) for each in told]
        return facts[0] if facts.count(facts[0]) == len(facts) else None

    def _grant(
        self, principal: EntityOrUnknown, action: EntityOrUnknown, resource: EntityOrUnknown, entities: Entities
    ) -> Record | None:
        """`context.grant`, or None while it depends on what is not known."""
        request = Request(_or_anybody(principal), _or_anybody(action), _or_anybody(resource))
        if not any(isinstance(each, Unknown) for each in (principal, action, resource)):
            return grant_facts(covering_grants(request, entities, self._world), self._now)
        for grant in self._world.facts.grants.values():
            policy = self._world.program.policy(grant.id)
            opened = replace(
                policy,
                principal=ScopeAny() if isinstance(principal, Unknown) else policy.principal,
                action=ScopeAny() if isinstance(action, Unknown) else policy.action,
                resource=ScopeAny() if isinstance(resource, Unknown) else policy.resource,
            )
            if applies(opened, request, entities):
                return None
        return grant_facts((), self._now)

    def _verdict(self, response: PartialResponse) -> PartialVerdict:
        """The rules of `evaluating.explain`: a forbid that fails denies, and one that may fail may deny."""
        program = self._world.program
        failing = [error.policy_id for error in response.errors]
        failing_forbids = sorted(id for id in failing if program.policy(id).effect is Effect.FORBID)
        open_forbids = any(policy.effect is Effect.FORBID for policy in response.residuals.static.values())
        if response.forbids:
            return self._decided(response, Outcome.DENY, ReasonClass.FORBIDDEN, sorted(response.forbids))
        if failing_forbids:
            return self._decided(response, Outcome.DENY, ReasonClass.POLICY_ERROR, failing_forbids)
        if response.outcome is Outcome.DENY:
            return self._decided(response, Outcome.DENY, ReasonClass.NOT_PERMITTED, [])
        if response.outcome is Outcome.ALLOW and not open_forbids:
            return self._decided(response, Outcome.ALLOW, ReasonClass.ALLOWED, sorted(response.permits))
        return PartialVerdict(Outcome.UNDECIDED, None, "it depends on what is not known", response)

    def _decided(
        self, response: PartialResponse, outcome: Outcome, reason: ReasonClass, policies: Iterable[str]
    ) -> PartialVerdict:
        determining = tuple(describe(self._world, id) for id in policies)
        return PartialVerdict(outcome, reason, message_of(reason, determining), response)


def _or_anybody(given: EntityOrUnknown) -> EntityUID:
    return _ANYBODY if isinstance(given, Unknown) else given


def _in_force(world: World, now: int) -> PolicySet:
    """The policies without the links of grants that are not in force."""
    policies, grants = world.policies, world.facts.grants
    links = [
        link
        for link in policies.links.values()
        if link.id not in grants or grant_status(grants[link.id], now) is GrantStatus.ACTIVE
    ]
    return PolicySet((*policies.static.values(), *policies.templates.values()), links)


def _narrowed(check: PartialCheck, uid: EntityUID) -> PartialCheck | None:
    """The question with an entity in the place of its unknown; None if that is of another type.

    How somebody who was not known would prove who they are, and from where, is still not known.
    """
    asked: EntityOrUnknown = check.resource
    if isinstance(check.subject, Unknown):
        asked = check.subject
        still = frozenset({"auth"} if check.device is not None else {"auth", "device"})
        narrowed = replace(check, subject=asserted_subject(uid), unknown=check.unknown | still)
    elif isinstance(check.action, Unknown):
        asked = check.action
        narrowed = replace(check, action=uid)
    else:
        narrowed = replace(check, resource=uid)
    return narrowed if asked.type in (None, uid.type) else None
