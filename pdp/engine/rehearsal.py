"""Runs the test cases of a bundle against a world: the question that a case asks, the answer, and where they differ.

A case goes the way of a request, from the subject on: only the credential's own check is left out, and what it would
have said is taken from the case.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, assert_never, final

from pdp.cedar.entities import Entity
from pdp.cedar.schema.typing import SchemaTyping, read_fields
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.cedar.wire.values import read_record
from pdp.config import FreshnessConfig
from pdp.engine.decider import CheckRequest, Obligation, ReasonClass, Verdict
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity.mapping import asserted_subject
from pdp.identity.subject import Method, Subject
from pdp.inventory.routes import RouteTable
from pdp.policies.cases import Case, CedarQuestion, Claims, HttpQuestion

_REASONS: Final = tuple(reason.value for reason in ReasonClass)


@final
@dataclass(frozen=True, slots=True)
class Mismatch:
    """A part of the answer that is not as expected, both in words."""

    part: str
    expected: str
    got: str


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case; it passed if nothing is amiss."""

    case: Case
    verdict: Verdict
    mismatches: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        """Whether the answer is exactly as expected."""
        return not self.mismatches


@final
class Rehearsal:
    """Asks the cases of one world, whose facts should be those of the cases' `now`."""

    def __init__(self, world: World, ages: FreshnessConfig, routes: RouteTable) -> None:
        self._world = world
        self._ages = ages
        self._routes = routes
        self._current = CurrentWorld()
        self._current.world = world

    def question(self, case: Case) -> CheckRequest:
        """What the case asks. Raises CedarError for claims or a context that stand for no values, with a place."""
        api = EMPTY_RECORD
        match case.question:
            case CedarQuestion(action, resource):
                pass
            case HttpQuestion(method, host, path):
                route = self._routes.match(method, host, path, case.instant)
                action, resource, api = route.action, route.resource, route.api
            case _:
                assert_never(case.question)
        context = self._context(case, action)
        if api.fields:
            context = Record({**context.fields, "api": api})
        return CheckRequest(self._subject(case), action, resource, context, case.device)

    def enriched(self, case: Case) -> Enriched:
        """What policies would be asked. Raises CedarError where the engine would refuse the request."""
        return enrich(self.question(case), self._world, case.instant, self._ages)

    def run(self, case: Case) -> Outcome:
        """The answer against the expectation. Raises CedarError as `question` does, and for a reason of no class."""
        _check_reason(case)
        decider = Evaluating(self._current, self._ages, lambda: case.instant)
        verdict = decider.decide(self.question(case))
        return Outcome(case, verdict, tuple(_mismatches(case, verdict)))

    def _subject(self, case: Case) -> Subject:
        auth = case.auth
        if auth is None:
            return asserted_subject(case.principal)
        return Subject(
            Entity(case.principal) if case.claims is None else self._claimed(case.principal, case.claims),
            Method.JWT,
            acr=auth.acr,
            amr=auth.amr,
            authenticated_at=None if auth.age is None else case.instant - auth.age,
        )

    def _claimed(self, uid: EntityUID, claims: Claims) -> Entity:
        node, typing = claims.attrs, SchemaTyping(self._world.schema)
        attrs = {}
        for name, value in [] if node is None else node.entries():
            with value.located():
                attrs[name] = typing.attribute(uid, name, value.value, ())
        return Entity(uid, attrs, frozenset(claims.groups))

    def _context(self, case: Case, action: EntityUID) -> Record:
        """The context by its action's types; that of an unknown action by its escapes, for the engine to refuse."""
        node, declared = case.context, self._world.schema.actions.get(action)
        if node is None:
            return EMPTY_RECORD
        with node.located():
            if declared is None or not isinstance(node.value, dict):
                return read_record(node.value)
            return read_fields(node.value, declared.context)


def _check_reason(case: Case) -> None:
    expectation = dict(case.node.entries())["expect"]
    dict(expectation.entries())["reason"].choice(_REASONS)


def _mismatches(case: Case, verdict: Verdict) -> Iterator[Mismatch]:
    expect = case.expect
    if verdict.decision is not expect.decision:
        yield Mismatch("decision", expect.decision.value, verdict.decision.value)
    if verdict.reason.value != expect.reason:
        yield Mismatch("reason", expect.reason, verdict.reason.value)
    if (policies := {policy.id for policy in verdict.policies}) != expect.policies:
        yield Mismatch("policies", _listed(expect.policies), _listed(policies))
    if (obligations := tuple(map(_written, verdict.obligations))) != expect.obligations:
        yield Mismatch("obligations", ", ".join(expect.obligations) or "none", ", ".join(obligations) or "none")
    if (errors := {error.policy_id for error in verdict.errors}) != expect.errors:
        yield Mismatch("errors", _listed(expect.errors), _listed(errors))


def _written(duty: Obligation) -> str:
    """The obligation as the annotation writes it."""
    return f"{duty.kind}:{duty.argument}" if duty.argument else duty.kind


def _listed(ids: Collection[str]) -> str:
    return ", ".join(sorted(ids)) or "none"
