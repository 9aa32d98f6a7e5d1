"""Rehearsals: cases asked as they are meant, and every difference found."""

from pathlib import Path

import pytest
from engine_worlds import AGES, ANA, BOB, HOUR, LAPTOP, MINUTE, NOW, PLAN, READ, READERS, uid

from pdp.cedar.errors import CedarError
from pdp.cedar.response import Decision
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, IPAddr, Record
from pdp.config import InventoryConfig
from pdp.engine.decider import CheckRequest, ReasonClass
from pdp.engine.rehearsal import Outcome, Rehearsal
from pdp.engine.snapshot import World
from pdp.identity.subject import Method
from pdp.inventory.reading import load_routes
from pdp.inventory.routes import RouteTable
from pdp.policies.cases import Case, load_cases, read_cases

QUESTION = 'action: Files::Action::"read"\n    resource: Files::File::"plan"'
ALLOWED = (
    "expect: {decision: allow, reason: allowed, policies: [files/readers-read],"
    ' obligations: ["mask:margin", "header:x-reader=yes"]}'
)


def case(extra: str = "", question: str = QUESTION, principal: str = 'User::"ana"', expect: str = ALLOWED) -> Case:
    """One case; `extra` are more of its lines."""
    lines = [f"principal: {principal}", question, *([extra] if extra else []), expect]
    text = "now: 2026-03-02T10:00:00Z\ncases:\n  - name: it\n" + "".join(f"    {line}\n" for line in lines)
    (only,) = read_cases(Source("cases.yaml", text))
    return only


@pytest.fixture(scope="session")
def rehearsal(world: World, root: Path) -> Rehearsal:
    return Rehearsal(world, AGES, load_routes(InventoryConfig(root / "routes.yaml"), world.schema))


def question(rehearsal: Rehearsal, extra: str = "", asked: str = QUESTION) -> CheckRequest:
    return rehearsal.question(case(extra, asked))


def test_the_small_worlds_own_cases_pass(rehearsal: Rehearsal, root: Path) -> None:
    outcomes = [rehearsal.run(each) for each in load_cases(root / "tests")]
    assert len(outcomes) == 4
    assert [outcome.mismatches for outcome in outcomes] == [()] * 4
    assert all(outcome.passed for outcome in outcomes)


# The question


def test_a_bare_principal_is_asserted(rehearsal: Rehearsal) -> None:
    request = question(rehearsal)
    assert (request.subject.uid, request.subject.method) == (ANA, Method.ASSERTED)
    assert (request.action, request.resource, request.device) == (READ, PLAN, None)
    assert request.context == Record()


def test_what_a_token_would_say(rehearsal: Rehearsal) -> None:
    subject = question(rehearsal, "auth: {acr: mfa, amr: [pwd, otp], age: 5m}").subject
    assert (subject.method, subject.acr, subject.amr) == (Method.JWT, "mfa", frozenset({"pwd", "otp"}))
    assert subject.authenticated_at == NOW - 5 * MINUTE
    bare = question(rehearsal, "auth: {}").subject
    assert (bare.method, bare.acr, bare.amr, bare.authenticated_at) == (Method.JWT, None, frozenset(), None)


def test_the_age_of_an_authentication_counts_from_the_question(rehearsal: Rehearsal) -> None:
    subject = question(rehearsal, "auth: {age: 5m}\n    at: 2h").subject
    assert subject.authenticated_at == NOW + 2 * HOUR - 5 * MINUTE


def test_claims_are_typed_by_the_schema(rehearsal: Rehearsal) -> None:
    subject = question(rehearsal, "auth: {}\n    claims: {attrs: {level: 3}, groups: ['Group::\"readers\"']}").subject
    assert subject.entity.attrs == {"level": 3}
    assert subject.entity.parents == {READERS}


def test_the_device(rehearsal: Rehearsal) -> None:
    assert question(rehearsal, 'device: Device::"laptop"').device == LAPTOP


def test_the_context_is_typed_by_its_action(rehearsal: Rehearsal) -> None:
    context = question(rehearsal, 'context: {ip: "10.0.0.1", region: eu, until: "1970-01-02"}').context
    assert context == Record({"ip": IPAddr(4, 0x0A000001, 32), "region": "eu", "until": Datetime(86_400_000)})


def test_the_context_of_an_unknown_action_is_read_by_its_escapes(rehearsal: Rehearsal) -> None:
    unknown = 'action: Files::Action::"burn"\n    resource: Files::File::"plan"'
    context = question(rehearsal, 'context: {ip: "10.0.0.1", e: {"__entity": {type: User, id: ana}}}', unknown).context
    assert context == Record({"ip": "10.0.0.1", "e": ANA})


@pytest.mark.parametrize(
    ("http", "action", "resource"),
    [
        ("GET api.example/files/plan", 'Files::Action::"read"', 'Files::File::"plan"'),
        ("GET api.example/files/a%20b?x=1", 'Files::Action::"read"', 'Files::File::"a b"'),
        ("PUT api.example/files/plan", 'Api::Action::"unknown"', 'Api::Route::"PUT /files/plan"'),
    ],
)
def test_a_question_in_http_goes_by_the_routes(rehearsal: Rehearsal, http: str, action: str, resource: str) -> None:
    request = question(rehearsal, asked=f"http: {http}")
    assert (request.action, request.resource) == (uid(action), uid(resource))


def test_what_policies_would_be_asked(rehearsal: Rehearsal) -> None:
    enriched = rehearsal.enriched(case('device: Device::"laptop"'))
    assert enriched.request.context.fields["device"] == Record(
        {"freshness": "fresh", "id": LAPTOP, "encrypted": True, "score": 80}
    )
    later = rehearsal.enriched(case('device: Device::"laptop"\n    at: 1h'))
    assert later.request.context.fields["device"] == Record({"freshness": "stale", "id": LAPTOP})


# The comparison


def differences(outcome: Outcome) -> dict[str, tuple[str, str]]:
    return {miss.part: (miss.expected, miss.got) for miss in outcome.mismatches}


def test_everything_that_differs_is_named(rehearsal: Rehearsal) -> None:
    expect = "expect: {decision: deny, reason: forbidden, policies: [b, a], obligations: [notify], errors: [c]}"
    outcome = rehearsal.run(case(expect=expect))
    assert not outcome.passed
    assert differences(outcome) == {
        "decision": ("deny", "allow"),
        "reason": ("forbidden", "allowed"),
        "policies": ("a, b", "files/readers-read"),
        "obligations": ("notify", "mask:margin, header:x-reader=yes"),
        "errors": ("c", "none"),
    }
    assert outcome.verdict.decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("files/readers-read]", "files/readers-read, more]"), "policies"),
        (("[files/readers-read]", "[]"), "policies"),
        (('"mask:margin", "header:x-reader=yes"', '"header:x-reader=yes", "mask:margin"'), "obligations"),
        (('"mask:margin", ', ""), "obligations"),
        (("decision: allow", "decision: deny"), "decision"),
        (("reason: allowed", "reason: forbidden"), "reason"),
    ],
)
def test_one_difference_is_enough(rehearsal: Rehearsal, change: tuple[str, str], part: str) -> None:
    assert differences(rehearsal.run(case(expect=ALLOWED.replace(*change)))).keys() == {part}


def test_unexpected_errors_fail_a_case(rehearsal: Rehearsal) -> None:
    failing = "guardrail/secret-needs-encrypted-device"
    expect = f"expect: {{decision: deny, reason: policy_error, policies: [{failing}], obligations: [notify:security]}}"
    outcome = rehearsal.run(case(question=QUESTION.replace("plan", "gone"), expect=expect))
    assert differences(outcome) == {"errors": ("none", failing)}


def test_a_request_that_the_engine_refuses_is_an_answer(rehearsal: Rehearsal) -> None:
    expect = "expect: {decision: deny, reason: invalid_request, policies: []}"
    for extra in ("context: {region: 1}", "context: {auth: {}}", "auth: {}\n    claims: {attrs: {level: x}}"):
        outcome = rehearsal.run(case(extra, principal='User::"bob"', expect=expect))
        assert outcome.mismatches == ()
        assert outcome.verdict.reason is ReasonClass.INVALID_REQUEST


# Cases at fault


@pytest.mark.parametrize(
    ("extra", "expect", "place", "message"),
    [
        ('context: {ip: "10.0.0"}', ALLOWED, "cases.yaml:7:19", "10.0.0"),
        ("context: {until: 3}", ALLOWED, "cases.yaml:7:22", "expected datetime"),
        ("context: {region: null}", ALLOWED, "cases.yaml:7:23", "null"),
        ("auth: {}\n    claims: {attrs: {level: null}}", ALLOWED, "cases.yaml:8:29", "null"),
        ("", ALLOWED.replace("reason: allowed", "reason: alowed"), "cases.yaml:7:39", "expect.reason`"),
    ],
)
def test_a_case_that_says_nothing_has_its_place(
    rehearsal: Rehearsal, extra: str, expect: str, place: str, message: str
) -> None:
    with pytest.raises(CedarError) as caught:
        rehearsal.run(case(extra, expect=expect))
    assert caught.value.render().startswith(f"{place}: "), caught.value.render()
    assert message in caught.value.render()


def test_without_routes_every_http_question_is_unknown(world: World) -> None:
    request = Rehearsal(world, AGES, RouteTable()).question(case(question="http: GET api.example/files/plan"))
    assert request.action == uid('Api::Action::"unknown"')
    assert request.subject.uid == ANA
    assert BOB not in request.subject.entity.parents
