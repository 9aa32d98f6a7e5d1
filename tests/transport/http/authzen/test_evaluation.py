"""The evaluation endpoints: who may ask what, decisions with their reasons, and what is an error of the request."""

import json
import random
from typing import Any

import pytest
from authzen_doors import FAR, LOCAL, Doors, an_ask, answer
from doors import Reports
from fuzzing import damaged, rounds
from json_mutants import json_mutants

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict
from pdp.telemetry.metrics import Metrics
from pdp.transport.callers import Caller
from pdp.transport.http.authzen import answers
from pdp.transport.http.endpoint import BodyError, HttpAsk

ALICE = {"type": "user", "id": "alice"}
BOB = {"type": "user", "id": "bob"}
RECORD_1 = {"type": "record", "id": "record-1"}
RECORD_2 = {"type": "record", "id": "record-2"}
READ, WRITE = {"name": "read"}, {"name": "write"}
QUESTION = {"subject": ALICE, "action": READ, "resource": RECORD_1}


def decided(doors: Doors, body: Any, token: str | None = None, caller: Caller = LOCAL) -> dict[str, Any]:
    status, found = answer(doors.evaluation.evaluate, an_ask(body, token, caller))
    assert status == 200, found
    assert set(found) == {"decision", "context"}
    return found  # type: ignore[no-any-return] # JSON


def of(**changes: Any) -> dict[str, Any]:
    return {**QUESTION, **changes}


# One evaluation


def test_an_allow_says_why(doors: Doors) -> None:
    found = decided(doors, QUESTION)
    assert found["decision"] is True
    context = found["context"]
    assert len(context.pop("request_id")) == 32
    assert context == {
        "reason": "allowed",
        "message": "staff read",
        "policies": ["records/staff-read"],
        "policy_revision": doors.current.world.policy_revision,  # type: ignore[union-attr] # there is one
        "context_revision": 0,
    }


def test_a_deny_is_200(doors: Doors) -> None:
    found = decided(doors, of(subject=BOB, action=WRITE))
    assert (found["decision"], found["context"]["reason"]) == (False, "not_permitted")
    assert found["context"]["message"] == "no policy permits this"


def test_obligations_of_an_allow(doors: Doors) -> None:
    found = decided(doors, of(subject=BOB, action=WRITE, resource=RECORD_2))
    assert found["decision"] is True
    assert found["context"]["obligations"] == [
        {
            "id": "obligation-1",
            "type": "mask",
            "properties": {"argument": "margin", "policy": "records/administrators-write-archived"},
        },
        {
            "id": "obligation-2",
            "type": "notify",
            "properties": {"argument": "", "policy": "records/administrators-write-archived"},
        },
    ]


def test_a_deny_that_a_stronger_sign_in_would_lift_says_so(doors: Doors) -> None:
    sealed = {"type": "record", "id": "new", "properties": {"status": "sealed"}}
    found = decided(doors, of(resource=sealed))
    assert (found["decision"], found["context"]["reason"]) == (False, "forbidden")
    assert found["context"]["acr_values"] == "phishing-resistant"
    assert found["context"]["obligations"][0]["type"] == "step-up"


def test_a_stored_fact_wins_over_what_the_caller_says(doors: Doors) -> None:
    as_admin = {**ALICE, "properties": {"role": "admin"}}
    lies = {**RECORD_1, "properties": {"status": "archived"}}
    assert decided(doors, of(subject=as_admin, action=WRITE, resource=lies))["decision"] is False, "it is active"
    no_admin = {**BOB, "properties": {"role": "clerk"}}
    assert decided(doors, of(subject=no_admin, action=WRITE))["decision"] is False, "bob is an administrator"
    # Of what is not stored, the caller's word counts.
    new = {"type": "record", "id": "new", "properties": {"status": "archived"}}
    assert decided(doors, of(subject=as_admin, action=WRITE, resource=new))["decision"] is True
    assert decided(doors, of(subject=ALICE, action=WRITE, resource=new))["decision"] is False


def test_properties_that_name_entities(doors: Doors) -> None:
    keeper = {"type": "record", "id": "k", "properties": {"keeper": {"type": "User", "id": "zoe"}}}
    asked = {"subject": {"type": "user", "id": "zoe"}, "action": {"name": "delete"}, "resource": keeper}
    assert decided(doors, asked)["decision"] is True


def test_the_posture_of_the_device_that_the_subject_names(doors: Doors) -> None:
    large = {"type": "record", "id": "large", "properties": {"size": 500}}
    assert decided(doors, of(resource=large))["context"]["policies"] == ["guardrail/large-needs-encrypted-device"]
    at_laptop = {**ALICE, "properties": {"device_id": "laptop"}}
    found = decided(doors, of(subject=at_laptop, resource=large))
    assert (found["decision"], found["context"]["policies"]) == (True, ["records/staff-read"])
    assert found["context"]["valid_until"] == "2026-03-02T10:10:00.000Z"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": {"type": "spaceship", "id": "x"}},
        {"subject": {"type": "space ship", "id": "x"}},
        {"resource": {"type": "Spaceship", "id": "x"}},
        {"action": {"name": "fly"}},
        {"context": {"ip": "here"}},
        {"context": {"device": {}}},
        {"resource": {"type": "record", "id": "x", "properties": {"size": "big"}}},
        {"resource": {"type": "record", "id": "record-1", "properties": {"size": True}}},
        {"subject": {"type": "user", "id": "alice", "properties": {"role": ["admin"]}}},
        {"action": {"name": "delete", "properties": {"soft": "true"}}},
    ],
)
def test_what_has_no_meaning_here_is_a_deny_and_no_error(doors: Doors, changes: Any) -> None:
    found = decided(doors, of(**changes))
    assert (found["decision"], found["context"]["reason"]) == (False, "invalid_request")
    assert found["context"]["message"]
    assert "error" not in found["context"]


def test_an_unknown_id_is_no_error(doors: Doors) -> None:
    assert decided(doors, of(subject={"type": "user", "id": "nobody"}))["context"]["reason"] == "not_permitted"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"subject": {}, "subject": {}}',
        of(subject="alice"),
        of(action={"name": 123}),
        of(resource=None),
        of(context=[]),
        {"subject": ALICE},
    ],
)
def test_what_is_no_request_is_400(doors: Doors, body: Any) -> None:
    for adapter in (doors.evaluation.evaluate, doors.evaluation.evaluate_all):
        status, found = answer(adapter, an_ask(body))
        assert status == 400
        assert set(found) == {"error"}
        assert found["error"]["status"] == 400
        assert isinstance(found["error"]["message"], str)
    assert doors.decider.asked == []


@pytest.mark.parametrize("type", [None, "text/plain", "application/xml", "application/jsonp"])
def test_another_content_type_is_400(doors: Doors, type: str | None) -> None:
    headers = () if type is None else (("content-type", type),)
    ask = HttpAsk(headers, json.dumps(QUESTION).encode(), "", LOCAL)
    assert answer(doors.evaluation.evaluate, ask)[0] == 400
    assert doors.decider.asked == []


def test_a_body_that_was_not_read_has_its_own_status(doors: Doors) -> None:
    for status in (408, 413):
        ask = HttpAsk((("content-type", "application/json"),), BodyError("no", status), "", LOCAL)
        assert answer(doors.evaluation.evaluate, ask)[0] == status


def test_decisions_are_known_by_the_callers_id(doors: Doors) -> None:
    ask = an_ask(QUESTION, headers={"x-request-id": "r-7"})
    assert answer(doors.evaluation.evaluate, ask)[1]["context"]["request_id"] == "r-7"
    assert doors.decider.asked[0].request_id == "r-7"
    odd = an_ask(QUESTION, headers={"x-request-id": "a\tb"})
    assert len(answer(doors.evaluation.evaluate, odd)[1]["context"]["request_id"]) == 32


def test_before_anything_is_loaded_the_answer_is_a_deny(doors: Doors) -> None:
    doors.current.world = None
    found = decided(doors, QUESTION)
    assert (found["decision"], found["context"]["reason"]) == (False, "not_ready")
    _, several = answer(doors.evaluation.evaluate_all, an_ask({**QUESTION, "evaluations": [{}, {}]}))
    assert [each["decision"] for each in several["evaluations"]] == [False, False]


def test_before_keys_are_loaded_a_token_is_a_deny(doors: Doors) -> None:
    doors.authentication.verifier = None
    assert decided(doors, QUESTION, "alice")["context"]["reason"] == "not_ready"
    body = {**QUESTION, "evaluations": [{}, {"resource": 5}, {}]}
    status, found = answer(doors.evaluation.evaluate_all, an_ask(body, "alice"))
    assert status == 200
    reasons = [each["context"]["reason"] for each in found["evaluations"]]
    assert reasons == ["not_ready", "invalid_request", "not_ready"]
    assert not any(each["decision"] for each in found["evaluations"])


def test_policies_that_could_not_be_evaluated_are_told() -> None:
    verdict = Verdict(
        Decision.DENY,
        ReasonClass.FORBIDDEN,
        "no",
        (DeterminingPolicy("g", Effect.FORBID),),
        obligations=(Obligation("step-up", "max_age=60", "g"), Obligation("step-up", "a b", "g")),
        valid_until=-62_200_000_000_000,
    )
    context = answers.decision(verdict, "r")["context"]
    assert (context["acr_values"], context["max_age"]) == ("a b", 60)
    assert context["valid_until"].startswith("-0002-")


# Who asks


def test_a_token_speaks_for_its_own_subject_from_anywhere(doors: Doors) -> None:
    for caller in (LOCAL, FAR):
        assert decided(doors, QUESTION, "alice", caller)["decision"] is True
    assert doors.decider.asked[0].subject.method.value == "jwt"


@pytest.mark.parametrize("token", ["bob", "Alice", "alice2"])
def test_a_token_speaks_for_nobody_else(doors: Doors, token: str) -> None:
    status, found = answer(doors.evaluation.evaluate, an_ask(QUESTION, token))
    assert (status, found["error"]["message"]) == (403, "the request is about another subject than its token")
    assert doors.decider.asked == []


def test_without_a_token_a_subject_is_asserted_from_this_machine_alone(doors: Doors, metrics: Metrics) -> None:
    assert decided(doors, QUESTION)["decision"] is True
    assert doors.decider.asked[0].subject.method.value == "asserted"
    answered = doors.evaluation.evaluate(an_ask(QUESTION, caller=FAR))
    assert answered.reply.status == 401
    assert answered.reply.headers["www-authenticate"] == 'Bearer realm="pdp"'
    assert answered.verdicts[0].reason is ReasonClass.UNAUTHENTICATED
    assert 'cause="assertion_not_accepted"} 1.0' in metrics.exposition().decode()


@pytest.mark.parametrize("value", ["Bearer bad", "Basic x", "Bearer", "", "Bearer alice,Bearer alice"])
def test_a_bad_credential_is_401_even_where_assertions_are_accepted(doors: Doors, value: str) -> None:
    answered = doors.evaluation.evaluate(an_ask(QUESTION, headers={"authorization": value}))
    assert answered.reply.status == 401
    assert answered.reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert doors.decider.asked == []


def test_two_credentials_are_none(doors: Doors) -> None:
    ask = an_ask(QUESTION, "alice")
    twice = HttpAsk((*ask.headers, ("authorization", "Bearer alice")), ask.body, "", ask.caller)
    assert doors.evaluation.evaluate(twice).reply.status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": {"type": "record", "id": "x", "properties": {"status": "active"}}},
        {"subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}}},
    ],
)
def test_attributes_are_taken_only_from_where_assertions_are(doors: Doors, changes: Any) -> None:
    asked = of(**changes)
    status, found = answer(doors.evaluation.evaluate, an_ask(asked, "alice", FAR))
    assert status == 403
    assert found["error"]["message"].endswith("are not accepted from this caller")
    assert doors.decider.asked == []
    assert decided(doors, asked, "alice")["decision"] is True


def test_properties_that_mean_nothing_are_no_attributes(doors: Doors) -> None:
    subject = {**ALICE, "properties": {"department": "x", "device_id": "laptop"}}
    resource = {**RECORD_1, "properties": {"owner": "bob"}}
    assert decided(doors, of(subject=subject, resource=resource), "alice", FAR)["decision"] is True


def test_what_a_token_says_wins_over_what_the_caller_says(doors: Doors) -> None:
    doors.tokens.attrs = {"role": "clerk"}
    subject = {**ALICE, "properties": {"role": "admin"}}
    new = {"type": "record", "id": "new", "properties": {"status": "archived"}}
    assert decided(doors, of(subject=subject, action=WRITE, resource=new), "alice")["decision"] is False


# Several evaluations


def several(doors: Doors, *items: Any, semantic: Any = None, **top: Any) -> list[dict[str, Any]]:
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic}}
    status, found = answer(doors.evaluation.evaluate_all, an_ask({**top, **options, "evaluations": list(items)}))
    assert status == 200
    assert set(found) == {"evaluations"}, "no decision for all of them"
    return found["evaluations"]  # type: ignore[no-any-return] # JSON


ALLOWED, DENIED, BROKEN = {"resource": RECORD_1}, {"resource": {"type": "x", "id": "1"}}, {"resource": 5}


@pytest.mark.parametrize(
    ("semantic", "items", "expected"),
    [
        (None, (ALLOWED, DENIED, BROKEN, ALLOWED), [True, False, False, True]),
        ("execute_all", (DENIED, ALLOWED), [False, True]),
        ("deny_on_first_deny", (ALLOWED, ALLOWED, DENIED, ALLOWED), [True, True, False]),
        ("deny_on_first_deny", (ALLOWED, BROKEN, ALLOWED), [True, False]),
        ("deny_on_first_deny", (ALLOWED, ALLOWED), [True, True]),
        ("permit_on_first_permit", (DENIED, BROKEN, ALLOWED, DENIED), [False, False, True]),
        ("permit_on_first_permit", (DENIED, DENIED), [False, False]),
        ("permit_on_first_permit", (ALLOWED, DENIED), [True]),
    ],
)
def test_semantics(doors: Doors, semantic: str | None, items: Any, expected: list[bool]) -> None:
    found = several(doors, *items, semantic=semantic, subject=ALICE, action=READ)
    assert [each["decision"] for each in found] == expected
    assert len(doors.decider.asked) == sum(item is not BROKEN for item in items[: len(expected)])


def test_a_broken_item_says_what_is_wrong_with_it(doors: Doors) -> None:
    [_, broken, bad] = several(doors, ALLOWED, {}, BROKEN, subject=ALICE, action=READ)
    assert broken["context"]["error"] == {"status": 400, "message": "`evaluations[1].resource` is missing"}
    assert broken["context"]["reason"] == "invalid_request"
    assert bad["context"]["error"]["message"] == "`evaluations[2].resource` must be an object, found an integer"


def test_one_evaluation_in_the_list_is_a_list_and_none_is_not(doors: Doors) -> None:
    assert len(several(doors, {}, **QUESTION)) == 1
    for body in (QUESTION, {**QUESTION, "evaluations": []}):
        status, found = answer(doors.evaluation.evaluate_all, an_ask(body))
        assert (status, found["decision"], set(found)) == (200, True, {"decision", "context"})


def test_the_token_of_the_request_holds_for_each_item(doors: Doors) -> None:
    body = {"action": READ, "resource": RECORD_1, "evaluations": [{"subject": ALICE}, {"subject": BOB}]}
    status, found = answer(doors.evaluation.evaluate_all, an_ask(body, "alice", FAR))
    assert (status, [each["decision"] for each in found["evaluations"]]) == (200, [True, False])
    assert found["evaluations"][1]["context"]["error"]["status"] == 403


def test_a_bad_credential_is_no_items_fault(doors: Doors) -> None:
    body = {**QUESTION, "evaluations": [{}, {}]}
    assert answer(doors.evaluation.evaluate_all, an_ask(body, "bad"))[0] == 401
    assert answer(doors.evaluation.evaluate_all, an_ask(body, caller=FAR))[0] == 401


def test_answers_are_those_of_single_questions_in_any_order(doors: Doors) -> None:
    # Items that differ in one thing only: contexts, properties, letters (openfga CVE-2026-34972).
    items = [
        of(),
        of(context={"level": 1}),
        of(context={"ip": "10.0.0.1"}),
        of(context={"ip": "here"}),
        of(action={"name": "delete", "properties": {"soft": True}}),
        of(action={"name": "delete", "properties": {"soft": False}}),
        of(subject={"type": "user", "id": "Alice"}),
        of(subject={"type": "user", "id": "alice "}),
        of(action=WRITE, resource={"type": "record", "id": "n", "properties": {"status": "active"}}),
        of(action=WRITE, resource={"type": "record", "id": "n", "properties": {"status": "archived"}}),
        of(action=WRITE, resource={"type": "record", "id": "n"}),
    ]
    alone = [decided(doors, item)["decision"] for item in items]
    assert alone.count(True) == 5
    for seed in range(20):
        order = random.Random(seed).sample(range(len(items)), len(items))
        found = several(doors, *(items[index] for index in order))
        assert [each["decision"] for each in found] == [alone[index] for index in order]


def test_an_exception_in_one_item_is_its_deny_and_the_others_are_answered(
    doors: Doors, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doors.decider.decide
    failure = RuntimeError("secret")

    def failing(request: Any) -> Any:
        if request.resource.id == "record-2":
            raise failure
        return real(request)

    monkeypatch.setattr(doors.decider, "decide", failing)
    found = several(doors, ALLOWED, {"resource": RECORD_2}, ALLOWED, subject=ALICE, action=READ)
    assert [each["decision"] for each in found] == [True, False, True]
    assert found[1]["context"]["reason"] == "internal_error"
    assert "secret" not in json.dumps(found)
    assert reports.seen == [("authzen_item", failure)]


def test_every_item_is_counted(doors: Doors) -> None:
    answered = doors.evaluation.evaluate_all(an_ask({**QUESTION, "evaluations": [{}, {"subject": BOB}, {"action": 5}]}))
    reasons = [verdict.reason for verdict in answered.verdicts]
    assert reasons == [ReasonClass.ALLOWED, ReasonClass.ALLOWED, ReasonClass.INVALID_REQUEST]


# Whatever comes


def test_damaged_requests_never_raise_and_are_never_allowed_for_another(doors: Doors) -> None:
    denied = of(subject={"type": "user", "id": "zoe"})
    seeds = [json.dumps(denied).encode(), json.dumps({**denied, "evaluations": [{}, {"context": {"x": 1}}]}).encode()]
    statuses = set()
    for data in damaged(random.Random(20261125), seeds, '{}[]":,\\ue0-. ', rounds(3_000)):
        for adapter in (doors.evaluation.evaluate, doors.evaluation.evaluate_all):
            status, found = answer(adapter, an_ask(data))
            statuses.add(status)
            decisions = found.get("evaluations", [found])
            assert not any(each.get("decision", False) for each in decisions), data
    assert statuses == {200, 400}


def test_requests_that_are_nearly_right_never_raise(doors: Doors) -> None:
    whole = of(
        subject={**ALICE, "properties": {"role": "admin", "device_id": "laptop"}},
        action={"name": "delete", "properties": {"soft": True}},
        resource={**RECORD_1, "properties": {"size": 5, "keeper": {"type": "User", "id": "x"}}},
        context={"ip": "10.0.0.1", "level": 2},
    )
    seeds = [whole, {**whole, "evaluations": [{}, whole], "options": {"evaluations_semantic": "execute_all"}}]
    words = ["subject", "type", "id", "properties", "evaluations", "__entity", "__extn", "User", "soft", "ip", "device"]
    statuses: dict[int, int] = {}
    for body in json_mutants(random.Random(20261125), seeds, words, rounds(2_000)):
        for adapter in (doors.evaluation.evaluate, doors.evaluation.evaluate_all):
            status, _ = answer(adapter, an_ask(body))
            statuses[status] = statuses.get(status, 0) + 1
    assert statuses.keys() == {200, 400}
    assert min(statuses.values()) > 300


def test_the_last_resorts() -> None:
    assert json.loads(answers.LAST_DECISION.body)["decision"] is False
    assert answers.LAST_DECISION.status == 200
    assert answers.LAST_LIST.status == 500
    assert set(json.loads(answers.LAST_LIST.body)) == {"error"}
