"""`Explain`: who gets it, that its answer is `Check`'s, and what it shows."""

import random
from typing import Any, TypeAlias

import pytest
from callers import admission, gated
from decision_messages import (
    ANA,
    BOB,
    EVE,
    FAR,
    GONE,
    LAPTOP,
    LOCAL,
    PLAN,
    READ,
    SECRET,
    WRITE,
    context,
    decider_of,
    load_small_world,
    mutants,
    question,
)
from doors import FakeVerifier, Reports
from engine_worlds import AGES, NOW, a_world
from fuzzing import rounds
from hypothesis import given
from hypothesis import strategies as st

from pdp.context.facts import Facts
from pdp.engine.callers.judging import CallerAction
from pdp.engine.decider import CheckRequest
from pdp.engine.explaining import Explaining, Explanation
from pdp.engine.snapshot import CurrentWorld, World
from pdp.policies.bundle import Bundle
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.callers import NOBODY, Caller, Way, caller_at
from pdp.transport.door import GuardedDoor
from pdp.transport.grpc.explain import CALLER_REFUSED, LAST_RESORT, MAX_POLICIES, MAX_TEXT, ExplainService
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import DecisionService

Both: TypeAlias = tuple[DecisionService, ExplainService, Reports]
"""`Check` and `Explain` of one world, and what broke in them."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world at NOW."""
    return load_small_world(tmp_path_factory.mktemp("world"))


def services(world: World) -> Both:
    """`Check` and `Explain` of a world."""
    reports = Reports()
    authentication = Authentication(lambda: NOW, Metrics(), admission(Metrics()))
    authentication.verifier = FakeVerifier()
    current = CurrentWorld()
    current.world = world
    decisions = DecisionService(decider_of(world, reports), authentication)
    explaining = Explaining(current, AGES, lambda: NOW)
    return decisions, ExplainService(decisions, explaining.explain), reports


@pytest.fixture(scope="module")
def both(world: World) -> Both:
    return services(world)


def explain(
    made: tuple[DecisionService, ExplainService, Reports], *, caller: Caller = LOCAL, **fields: Any
) -> pb.ExplainResponse:
    verdict, reply = made[1].explain(question(**fields).SerializeToString(), caller)
    response = pb.ExplainResponse.FromString(reply)
    assert response.answer.reason_class == verdict.reason.value
    assert response.answer.request_id
    return response


def by_id(response: pb.ExplainResponse) -> dict[str, pb.PolicyExplanation]:
    return {policy.id: policy for policy in response.policies}


# Who gets it


class Forbidden:
    """An explainer that must not be asked."""

    def __call__(self, request: CheckRequest) -> Explanation:
        raise AssertionError(request)


@pytest.mark.parametrize("data", [question().SerializeToString(), question(token="good").SerializeToString(), b"\xff"])
def test_whoever_may_not_see_it_is_denied_and_told_nothing(data: bytes) -> None:
    def unasked(data: bytes, caller: Caller) -> bytes:
        raise AssertionError(data)

    door = gated(unasked, CallerAction.EXPLAIN, CALLER_REFUSED)
    for caller in (FAR, NOBODY):
        response = pb.ExplainResponse.FromString(door(data, caller))
        assert (response.answer.decision, response.answer.reason_class) == (pb.DECISION_DENY, "caller_not_allowed")
        response.answer.Clear()
        assert response == pb.ExplainResponse(answer=pb.CheckResponse())


@pytest.mark.parametrize("caller", [LOCAL, Caller(Way.UNIX), caller_at("::1")])
def test_a_caller_on_this_machine_is_told(both: Both, caller: Caller) -> None:
    response = explain(both, caller=caller)
    assert response.answer.decision == pb.DECISION_ALLOW
    assert response.policies


def test_being_told_is_no_credential(both: Both) -> None:
    response = explain(both, principal=None)
    assert response.answer.reason_class == "unauthenticated"
    assert (len(response.policies), response.HasField("principal"), response.HasField("context")) == (0, False, False)
    assert explain(both, token="bad").answer.reason_class == "unauthenticated"


# The answer


@given(
    principal=st.sampled_from([ANA, BOB, EVE, pb.EntityUid(type="User", id="nobody"), pb.EntityUid(), None]),
    action=st.sampled_from([READ, WRITE, pb.EntityUid(type="Action", id="x"), None]),
    resource=st.sampled_from([PLAN, SECRET, GONE, LAPTOP, None]),
    context=st.sampled_from([None, context(region="eu"), context(auth="x"), context(other="x")]),
    device=st.sampled_from([None, LAPTOP, pb.EntityUid(type="Device", id="lost")]),
    min_revision=st.sampled_from([0, 1, 2]),
    request_id=st.just("r"),
)
def test_the_answer_is_that_of_check(both: Both, **fields: Any) -> None:
    response = explain(both, **fields)
    _, reply = both[0].check(question(**fields).SerializeToString(), LOCAL)
    assert response.answer == pb.CheckResponse.FromString(reply)
    assert {policy.id for policy in response.policies if policy.determining} == {
        policy.id for policy in response.answer.policies
    }
    assert bool(response.policies) == response.HasField("principal") == response.HasField("context")


# What it shows


def test_a_near_miss_shows_the_part_that_did_not_hold_and_its_place(both: Both, world: World) -> None:
    policy = by_id(explain(both, action=WRITE))["files/owners-write"]
    assert (policy.effect, policy.outcome, policy.determining) == (pb.EFFECT_PERMIT, pb.OUTCOME_NEAR_MISS, False)
    part = policy.part
    assert (part.condition, part.text, part.HasField("value"), part.value) == (
        "when",
        "context.auth has acr",
        True,
        False,
    )
    source = world.program.policy("files/owners-write").source
    assert source is not None
    assert policy.place.file == part.place.file == source.name
    assert source.line(policy.place.line)[policy.place.column - 1 :].startswith('@id("files/owners-write")')
    assert source.line(part.place.line)[part.place.column - 1 :].startswith(part.text)
    assert (policy.outside, policy.grant_status, policy.HasField("error")) == ("", "", False)


def test_an_error_shows_its_kind_and_where_it_arose(both: Both) -> None:
    response = explain(both, resource=GONE)
    policy = by_id(response)["guardrail/secret-needs-encrypted-device"]
    assert (policy.effect, policy.outcome, policy.determining) == (pb.EFFECT_FORBID, pb.OUTCOME_ERROR, True)
    assert policy.error == response.answer.errors[0]
    assert policy.error.kind == "entity_missing"
    assert (policy.part.text, policy.part.HasField("value")) == ("resource.secret", False)


def test_every_outcome(both: Both) -> None:
    allowed = by_id(explain(both))
    assert {id: policy.outcome for id, policy in allowed.items()} == {
        "files/readers-read": pb.OUTCOME_SATISFIED,
        "guardrail/secret-needs-encrypted-device": pb.OUTCOME_NOT_SATISFIED,
        "guardrail/suspended": pb.OUTCOME_NOT_SATISFIED,
    }
    granted = by_id(explain(both, principal=BOB))
    assert (granted["grant/bob-plans"].outcome, granted["grant/bob-plans"].grant_status) == (
        pb.OUTCOME_SATISFIED,
        "active",
    )
    assert (granted["files/readers-read"].outcome, granted["files/readers-read"].outside) == (
        pb.OUTCOME_OUT_OF_SCOPE,
        "principal",
    )
    assert not granted["files/readers-read"].HasField("part")


def test_a_grant_that_is_over(world: World) -> None:
    current = CurrentWorld()
    current.world = world
    decisions, _, _ = services(world)
    end = next(iter(world.facts.grants.values())).expires_at
    late = ExplainService(decisions, Explaining(current, AGES, lambda: end).explain)
    response = explain((decisions, late, Reports()), principal=BOB)
    policy = by_id(response)["grant/bob-plans"]
    assert (policy.outcome, policy.grant_status) == (pb.OUTCOME_NOT_IN_FORCE, "expired")
    assert policy.place.line == 1


def test_the_context_is_the_one_that_the_policies_saw(both: Both) -> None:
    response = explain(both, device=LAPTOP, context=context(region="eu"))
    fields = response.context.fields
    assert set(fields) == {"auth", "device", "grant", "region", "workload"}
    assert fields["region"].string_value == "eu"
    device = fields["device"].record_value.fields
    assert device["id"].entity_value == LAPTOP
    assert (device["freshness"].string_value, device["encrypted"].bool_value) == ("fresh", True)
    assert fields["grant"].record_value.fields["status"].string_value == "none"
    assert response.principal == ANA


def test_the_principal_of_a_token_is_shown(both: Both) -> None:
    assert explain(both, token="good").principal == pb.EntityUid(type="User", id="alice")


def test_a_datetime_without_a_text_is_shown_all_the_same(both: Both) -> None:
    earliest = pb.Extension(function="datetime", argument="0000-01-01T00:00:00+2359")
    response = explain(both, context=pb.Record(fields={"until": pb.Value(extension_value=earliest)}))
    assert response.answer.decision == pb.DECISION_ALLOW
    assert response.context.fields["until"].extension_value.argument == "-0001-12-31T00:01:00.000Z"


@pytest.mark.parametrize(("more", "left_out"), [(MAX_POLICIES - 3, 0), (MAX_POLICIES - 2, 1), (MAX_POLICIES + 44, 47)])
def test_the_policies_are_bounded_and_those_that_tell_most_are_kept(
    bundle: Bundle, facts: Facts, more: int, left_out: int
) -> None:
    permits = "\n".join(
        f'@id("p{number}") permit (principal == User::"bob", action, resource);' for number in range(more)
    )
    response = explain(services(a_world(bundle, facts, policies=permits)))
    assert (len(response.policies), response.policies_left_out) == (min(more + 3, MAX_POLICIES), left_out)
    assert response.policies[0].id == "files/readers-read"
    assert [policy.outcome for policy in response.policies] == sorted(policy.outcome for policy in response.policies)


def test_a_long_part_is_cut(bundle: Bundle, facts: Facts) -> None:
    words = ", ".join(f'"{number:05}"' for number in range(1_000))
    text = f'@id("p") permit (principal, action, resource) when {{ [{words}].contains(context.auth.method) }};'
    part = by_id(explain(services(a_world(bundle, facts, policies=text))))["p"].part
    assert part.text == f"[{words}"[:MAX_TEXT]


@pytest.fixture(scope="module")
def bundle(world: World) -> Bundle:
    return Bundle(world.policies, world.schema, world.policy_revision)


@pytest.fixture(scope="module")
def facts(world: World) -> Facts:
    return Facts(world.facts.entities, world.facts.posture)


# Behind the door


def test_random_bytes_are_answered_and_nothing_breaks(both: Both) -> None:
    source = random.Random(20261125)
    reports = Reports()
    door = GuardedDoor(Door.EXPLAIN, both[1].explain, LAST_RESORT, Metrics(), reports)
    seeds = [question(context=context(region="eu"), device=LAPTOP, request_id="r").SerializeToString()]
    explained = 0
    for data in mutants(source, seeds, rounds(5_000)):
        response = pb.ExplainResponse.FromString(door(data, LOCAL))
        assert response.answer.decision in (pb.DECISION_ALLOW, pb.DECISION_DENY)
        explained += bool(response.policies)
    assert reports.seen == []
    assert explained > 200


def test_what_breaks_is_a_deny_that_shows_nothing(both: Both, metrics: Metrics, reports: Reports) -> None:
    failing = ExplainService(both[0], Forbidden())
    door = GuardedDoor(Door.EXPLAIN, failing.explain, LAST_RESORT, metrics, reports)
    response = pb.ExplainResponse.FromString(door(question().SerializeToString(), LOCAL))
    assert (response.answer.decision, response.answer.reason_class) == (pb.DECISION_DENY, "internal_error")
    assert len(response.policies) == 0
    assert [place for place, _ in reports.seen] == ["explain"]
