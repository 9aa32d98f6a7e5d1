"""Scopes, links, annotations; and what is certain of the decision over several policies."""

from dataclasses import replace

import pytest
from partial_case import (
    ANA,
    ASKED,
    BOB,
    COMPLETIONS,
    FOLDER,
    MEMO,
    PLAN,
    READ,
    READERS,
    SCHEMA,
    STORE,
    disagreements,
    policies,
    shown,
)

from pdp.cedar.errors import ConformanceError, ErrorKind
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.text.printer import print_policy
from pdp.cedar.values import EntityUID, Record
from pdp.evaluate.authorize import authorize
from pdp.evaluate.partial import (
    Outcome,
    PartialContext,
    PartialRequest,
    PartialRequestError,
    PartialResponse,
    Unknown,
    partial_authorize,
    refine,
)

PERMIT, FORBID = "permit(principal, action, resource);", "forbid(principal, action, resource);"
SOMETIMES = "(principal, action, resource) when { resource has label };"
NEVER = "(principal, action, resource) when { resource.public && false };"
FAILING = "(principal, action, resource) when { principal.missing };"


@pytest.mark.parametrize(
    ("scope", "left", "typed"),
    [
        ("principal, action, resource", "true", None),
        ('principal == User::"ana", action, resource', "true", None),
        ('principal == User::"bob", action, resource', "false", None),
        ('principal in Group::"staff", action, resource', "true", None),
        ("principal is Group, action, resource", "false", None),
        ('principal is User in Group::"readers", action, resource', "true", None),
        ('principal, action == Action::"read", resource', "true", None),
        ('principal, action == Action::"write", resource', "false", None),
        ('principal, action in [Action::"write", Action::"all"], resource', "true", None),
        ("principal, action in [], resource", "false", None),
        ('principal, action, resource == Doc::"plan"', 'permit(principal, action, resource == Doc::"plan")', None),
        ('principal, action, resource == Folder::"f"', "false", None),
        ('principal, action, resource in Folder::"f"', 'permit(principal, action, resource in Folder::"f")', None),
        ('principal, action, resource in Group::"g"', 'permit(principal, action, resource in Group::"g")', "false"),
        ("principal, action, resource is Doc", "true", None),
        ("principal, action, resource is Folder", "false", None),
        (
            'principal, action, resource is Doc in Folder::"f"',
            'permit(principal, action, resource in Folder::"f")',
            None,
        ),
        ('principal, action, resource is Folder in Folder::"f"', "false", None),
    ],
)
def test_scopes(scope: str, left: str, typed: str | None) -> None:
    original = policies(f"permit({scope});")
    for schema, expected in ((None, left), (SCHEMA, typed or left)):
        response = partial_authorize(ASKED, original, STORE, schema)
        assert shown(response) == expected
        assert disagreements(response, original) == []


@pytest.mark.parametrize(
    "scope",
    [
        'principal == User::"ana", action, resource',
        "principal is User, action, resource",
        'principal is User in Group::"staff", action, resource',
        'principal, action == Action::"read", resource',
        'principal, action in [Action::"all", Action::"share"], resource',
        "principal, action in [], resource",
        "principal, action, resource is Doc",
    ],
)
def test_nothing_is_known_of_what_is_unknown(scope: str) -> None:
    original = policies(f"permit({scope});")
    asked = PartialRequest(context=PartialContext(others=True))
    left = partial_authorize(asked, original, STORE)
    expected = "false" if "[]" in scope else f"permit({scope})"
    assert shown(left) == expected


def test_a_link_is_a_policy_of_its_own() -> None:
    (template,) = policies(
        "permit(principal == ?principal, action, resource in ?resource) when { resource.public };"
    ).templates.values()
    links = [
        Link("of ana", template.id, {Slot.PRINCIPAL: ANA, Slot.RESOURCE: FOLDER}),
        Link("of bob", template.id, {Slot.PRINCIPAL: BOB, Slot.RESOURCE: FOLDER}),
    ]
    response = partial_authorize(ASKED, PolicySet([template], links), STORE)
    assert response.unsatisfied == {"of bob"}
    assert not response.residuals.templates
    (left,) = response.residuals.static.values()
    assert left.id == "of ana"
    assert print_policy(left) == 'permit(principal, action, resource in Folder::"f")\nwhen { resource.public };'


def test_what_is_left_keeps_annotations_and_places() -> None:
    original = policies('@id("one") @deprecated forbid(principal, action, resource) unless { resource.public };')
    (before,) = original.static.values()
    (after,) = partial_authorize(ASKED, original, STORE).residuals.static.values()
    assert (after.id, after.effect, after.annotations) == (before.id, before.effect, {"id": "one", "deprecated": None})
    assert (after.source, after.span) == (before.source, before.span)
    assert after.source is not None
    (clause,) = after.conditions
    assert clause.body.span is not None
    assert after.source.excerpt(clause.body.span) == "resource.public"


@pytest.mark.parametrize(
    ("texts", "outcome"),
    [
        ((), Outcome.DENY),
        ((PERMIT,), Outcome.ALLOW),
        ((PERMIT, FORBID), Outcome.DENY),
        (("permit" + SOMETIMES,), Outcome.UNDECIDED),
        (("permit" + SOMETIMES, FORBID), Outcome.DENY),
        (("permit" + SOMETIMES, PERMIT), Outcome.ALLOW),
        ((PERMIT, "forbid" + SOMETIMES), Outcome.UNDECIDED),
        (("forbid" + SOMETIMES,), Outcome.DENY),
        # What is false or fails decides nothing; it may still be reported.
        (("permit" + NEVER,), Outcome.DENY),
        ((PERMIT, "permit" + NEVER), Outcome.ALLOW),
        ((PERMIT, "forbid" + NEVER), Outcome.ALLOW),
        (("permit" + NEVER, "permit" + SOMETIMES), Outcome.UNDECIDED),
        (("permit" + FAILING,), Outcome.DENY),
        ((PERMIT, "permit" + FAILING), Outcome.ALLOW),
        ((PERMIT, "forbid" + FAILING), Outcome.ALLOW),
        (("permit" + SOMETIMES, "forbid" + FAILING), Outcome.UNDECIDED),
    ],
)
def test_the_outcome(texts: tuple[str, ...], outcome: Outcome) -> None:
    original = policies(*texts)
    response = partial_authorize(ASKED, original, STORE)
    assert response.outcome is outcome
    assert disagreements(response, original) == []
    decisions = {authorize(request, original, STORE).decision.value for request in COMPLETIONS}
    assert decisions == ({"allow", "deny"} if outcome is Outcome.UNDECIDED else {outcome.value})


def test_every_policy_has_its_place() -> None:
    original = policies(
        PERMIT,
        FORBID,
        "permit" + SOMETIMES,
        "permit" + NEVER,
        "forbid" + FAILING,
        "permit(principal, action, resource is Group);",
    )
    response = partial_authorize(ASKED, original, STORE)
    assert response.permits == {"policy0"}
    assert response.forbids == {"policy1"}
    assert response.residuals.static.keys() == {"policy2", "policy3"}
    assert response.hopeless == {"policy3"}
    assert [(error.policy_id, error.kind) for error in response.errors] == [("policy4", ErrorKind.ATTRIBUTE_MISSING)]
    assert response.unsatisfied == {"policy5"}
    assert response.request == ASKED


def test_an_outcome_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="an Outcome has no truth value"):
        bool(Outcome.DENY)


def response_of(text: str) -> PartialResponse:
    return partial_authorize(ASKED, policies(text), STORE, SCHEMA)


def test_a_completion_is_decided_by_what_is_left() -> None:
    response = response_of("permit(principal, action, resource) when { resource.public };")
    plan, memo = COMPLETIONS[0], replace(COMPLETIONS[0], resource=MEMO)
    assert response.complete(plan, STORE).decision is Decision.ALLOW
    assert response.complete(plan, STORE).reasons == {"policy0"}
    assert response.complete(memo, STORE).decision is Decision.DENY


@pytest.mark.parametrize(
    "asked",
    [
        replace(COMPLETIONS[0], principal=BOB),
        replace(COMPLETIONS[0], resource=FOLDER),
        replace(COMPLETIONS[0], context=Record()),
    ],
    ids=["another principal", "another type", "another context"],
)
def test_what_is_no_completion_is_not_decided(asked: Request) -> None:
    with pytest.raises(PartialRequestError, match="does not complete"):
        response_of(PERMIT).complete(asked, STORE)


def test_nor_is_what_the_schema_refuses() -> None:
    fields = COMPLETIONS[0].context.fields | {"mfa": 1}
    with pytest.raises(ConformanceError):
        response_of(PERMIT).complete(replace(COMPLETIONS[0], context=Record(fields)), STORE)


def test_a_response_is_refined() -> None:
    response = response_of("permit(principal, action, resource) when { resource.public && context.mfa };")
    finer = replace(ASKED, resource=PLAN)
    assert shown(refine(response, finer, STORE)) == "context.mfa"
    known = PartialRequest.of(COMPLETIONS[0])
    assert refine(refine(response, finer, STORE), known, STORE).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "finer",
    [
        replace(ASKED, principal=BOB),
        replace(ASKED, resource=Unknown()),
        replace(ASKED, resource=EntityUID("Group", "g")),
        replace(ASKED, context=PartialContext(others=True)),
        PartialRequest(READERS, READ),
    ],
)
def test_what_says_something_else_is_no_refinement(finer: PartialRequest) -> None:
    with pytest.raises(PartialRequestError, match="does not refine"):
        refine(response_of(PERMIT), finer, STORE)
