"""The decision over a set: default deny, forbid over permit, erring policies skipped and reported."""

import pytest

from pdp.cedar.entities import Entities
from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, Record
from pdp.evaluate.authorize import authorize, satisfied

ALICE, READ, DOC = EntityUID("User", "alice"), EntityUID("Action", "read"), EntityUID("Doc", "1")
ASK = Request(ALICE, READ, DOC, Record({"n": 1}))
PERMIT = "permit(principal, action, resource);"
FORBID = "forbid(principal, action, resource);"
ERRING = "(principal, action, resource) when { context.missing };"


def decide(*texts: str) -> tuple[Decision, set[str], set[str]]:
    policies = parse_policies(Source("test", "\n".join(texts)))
    response = authorize(ASK, PolicySet(policies), Entities())
    return response.decision, set(response.reasons), set(response.erroring)


@pytest.mark.parametrize(
    ("texts", "decision", "reasons", "errors"),
    [
        ((), Decision.DENY, set(), set()),
        ((PERMIT,), Decision.ALLOW, {"policy0"}, set()),
        ((PERMIT, PERMIT), Decision.ALLOW, {"policy0", "policy1"}, set()),
        ((PERMIT, FORBID, FORBID), Decision.DENY, {"policy1", "policy2"}, set()),
        (("permit" + ERRING,), Decision.DENY, set(), {"policy0"}),
        ((PERMIT, "forbid" + ERRING), Decision.ALLOW, {"policy0"}, {"policy1"}),
    ],
)
def test_combination(texts: tuple[str, ...], decision: Decision, reasons: set[str], errors: set[str]) -> None:
    assert decide(*texts) == (decision, reasons, errors)


def test_a_condition_that_is_not_a_bool_is_an_error() -> None:
    (policy,) = parse_policies(Source("test", "permit(principal, action, resource) when { context.n };"))
    response = authorize(ASK, PolicySet([policy]), Entities())
    assert [(error.policy_id, error.kind) for error in response.errors] == [("policy0", ErrorKind.TYPE)]


def test_nothing_behind_a_false_part_is_evaluated() -> None:
    assert decide('permit(principal == User::"bob", action, resource) when { context.missing };')[2] == set()
    assert decide("permit(principal, action, resource) when { false } unless { context.missing };")[2] == set()


def test_a_template_decides_nothing_until_it_is_linked() -> None:
    (template,) = parse_policies(Source("test", "permit(principal == ?principal, action, resource);"))
    assert authorize(ASK, PolicySet([template]), Entities()).decision is Decision.DENY
    linked = PolicySet([template], [Link("grant", "policy0", {Slot.PRINCIPAL: ALICE})])
    assert authorize(ASK, linked, Entities()).reasons == {"grant"}
    other = PolicySet([template], [Link("grant", "policy0", {Slot.PRINCIPAL: DOC})])
    assert authorize(ASK, other, Entities()).decision is Decision.DENY


@pytest.mark.parametrize(
    "scope", ["principal == ?principal, action, resource", "principal, action, resource in ?resource"]
)
def test_a_template_is_no_policy_to_evaluate(scope: str) -> None:
    (template,) = parse_policies(Source("test", f"permit({scope});"))
    with pytest.raises(TypeError, match="a template decides nothing until its slots are filled"):
        satisfied(template, ASK, Entities())
