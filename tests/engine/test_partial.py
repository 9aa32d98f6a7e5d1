"""Partial questions: what is called certain is so for every question that completes the partial one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from engine_worlds import (
    AGES,
    ANA,
    BOB,
    EVE,
    GONE,
    HOUR,
    LAPTOP,
    NOW,
    PHONE,
    PLAN,
    PLANS,
    PURGE,
    READ,
    SECRET,
    SHARE,
    WRITE,
    a_grant,
    a_posture,
    a_world,
    asserted,
    by_token,
    decide,
    uid,
)
from small_world import SCHEMA

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, Record, Value
from pdp.context.facts import Facts
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict
from pdp.engine.enrich import OWNED
from pdp.engine.partial import Outcome, PartialCheck, PartialDecider, PartialVerdict, Unknown
from pdp.engine.snapshot import World
from pdp.identity.subject import Subject
from pdp.policies.bundle import Bundle

NOBODY = EntityUID("User", "nobody")
STRONG = by_token(ANA, acr="phishing-resistant", authenticated_at=NOW, device=LAPTOP)
SUBJECTS = (asserted(ANA), asserted(BOB), asserted(EVE), asserted(NOBODY), replace(STRONG, device=None))
ACTIONS, RESOURCES = (READ, WRITE, SHARE, PURGE), (PLAN, SECRET, GONE)
DEVICES = (None, LAPTOP, PHONE)
REGIONS: tuple[dict[str, Value], ...] = ({}, {"region": "eu"}, {"region": "us"})

POLICIES = """
@id("more/share-with-grant") permit (principal, action == Files::Action::"share", resource)
when { context.grant.status == "active" };

@id("more/purge-in-the-eu") permit (principal, action == Files::Action::"purge", resource)
when { context has region && context.region == "eu" };

@id("more/no-purge-by-unattested") forbid (principal, action == Files::Action::"purge", resource)
unless { context.workload has attested && context.workload.attested };

@id("more/no-purge-from-unknown-devices") forbid (principal, action == Files::Action::"purge", resource is Files::File)
when { resource in Files::Folder::"plans" } unless { context.device has score && context.device.score > 50 };

@id("more/strong-readers") permit (principal, action == Files::Action::"read", resource)
when { context.auth has acr && context.auth.acr == "phishing-resistant" };

@id("entitlement/sharer") permit (principal == ?principal, action == Files::Action::"share", resource in ?resource)
when { context.auth.method == "asserted" };
"""


@pytest.fixture(scope="session")
def wide(bundle: Bundle, facts: Facts) -> World:
    """The small world with policies that read everything the engine writes."""
    grants = [
        a_grant(1),
        a_grant(2, template_id="entitlement/sharer", principal=BOB),
        a_grant(3, template_id="entitlement/sharer", principal=ANA, expires_at=NOW),
        a_grant(4, principal=ANA, not_before=NOW + 1),
    ]
    posture = [*facts.posture.values(), a_posture(PHONE, score=10), a_posture(ANA, attested=True)]
    return a_world(bundle, facts, grants=grants, posture=posture, policies=POLICIES)


def test_what_is_told_of_the_authentication_depends_on_the_action(bundle: Bundle, facts: Facts) -> None:
    """Where only some actions declare its time, it is not known for an action that is not."""
    read = "action read appliesTo { principal: User, resource: File, context: Told };\n  action write"
    told = """
        type Known = {method: String, freshness: String, acr?: String, amr: Set<String>, auth_time?: datetime};
        type Told = {
            auth: Known, device: Posture, workload: Workload, grant: Grant,
            region?: String, ip?: ipaddr, until?: datetime,
        };
    """
    schema = parse_schema(Source("schema", told + SCHEMA.replace("action read, write", read)))
    policies = """
        @id("p") permit (principal, action == Files::Action::"read", resource)
        when { context.auth has auth_time && context.auth.auth_time < datetime("2030-01-01") };
    """
    world = a_world(replace(bundle, schema=schema), facts, grants=(), policies=policies)
    subject = by_token(BOB, authenticated_at=NOW)
    for action, outcome in ((READ, Outcome.ALLOW), (Unknown("Files::Action"), Outcome.UNDECIDED)):
        check = PartialCheck(subject, action, PLAN, device=LAPTOP)
        assert PartialDecider(world, AGES, NOW).decide(check).outcome is outcome
    assert decide(world, CheckRequest(subject, READ, PLAN, device=LAPTOP)).decision is Decision.ALLOW


def completions(check: PartialCheck) -> Iterator[CheckRequest]:
    """Questions that complete a partial one, from the domains above."""
    devices = DEVICES if isinstance(check.subject, Unknown) and check.device is None else (check.device,)
    if "device" in check.unknown:
        devices = DEVICES
    regions = REGIONS if check.open_context or "region" in check.unknown else ({},)
    for subject, action, resource, device, region in product(
        SUBJECTS if isinstance(check.subject, Unknown) else (check.subject,),
        ACTIONS if isinstance(check.action, Unknown) else (check.action,),
        RESOURCES if isinstance(check.resource, Unknown) else (check.resource,),
        devices,
        regions,
    ):
        stored = (PLAN, SECRET) if isinstance(check.resource, Unknown) and check.resource.stored else RESOURCES
        if resource in stored and not (isinstance(check.subject, Unknown) and check.subject.stored
                                       and subject.uid == NOBODY):  # fmt: skip
            yield CheckRequest(subject, action, resource, Record({**check.context.fields, **region}), device)


def checks() -> Iterator[PartialCheck]:
    """Partial questions of every shape."""
    subjects: tuple[Subject | Unknown, ...] = (*SUBJECTS, STRONG, Unknown(), Unknown("User", stored=True))
    actions: tuple[EntityUID | Unknown, ...] = (*ACTIONS, Unknown(), Unknown("Files::Action"))
    resources: tuple[EntityUID | Unknown, ...] = (*RESOURCES, Unknown(), Unknown("Files::File", stored=True))
    contexts = (
        (Record(), frozenset[str](), False),
        (Record({"region": "eu"}), frozenset[str](), False),
        (Record(), frozenset({"region"}), False),
        (Record(), frozenset[str](), True),
        (Record({"region": "eu"}), frozenset({"device"}), False),
    )
    asked = product(subjects, actions, resources, (None, LAPTOP), contexts)
    for subject, action, resource, device, (context, names, opened) in asked:
        if not ("device" in names and device is not None):
            yield PartialCheck(subject, action, resource, context, device, names, opened)


def test_what_is_certain_is_so_for_every_completion(wide: World) -> None:
    decider = PartialDecider(wide, AGES, NOW)
    seen: Counter[tuple[Outcome, bool]] = Counter()
    answers: dict[object, Verdict] = {}
    for check in checks():
        verdict = decider.decide(check)
        found = set()
        for request in completions(check):
            # The subjects are always the same objects, and not hashable.
            key = id(request.subject), request.action, request.resource, request.device, request.context
            if key not in answers:
                answers[key] = decide(wide, request)
            if answers[key].reason is not ReasonClass.INVALID_REQUEST:
                found.add(answers[key].decision.value)
        assert found or verdict.reason is ReasonClass.INVALID_REQUEST
        assert verdict.outcome is Outcome.UNDECIDED or found <= {verdict.outcome.value}, check
        seen[verdict.outcome, any(isinstance(e, Unknown) for e in (check.subject, check.action, check.resource))] += 1
    assert all(seen[outcome, True] >= 20 for outcome in Outcome), seen


def test_of_what_is_known_the_answer_is_the_usual_one(wide: World) -> None:
    decider = PartialDecider(wide, AGES, NOW)
    reasons = set()
    contexts: tuple[dict[str, Value], ...] = (*REGIONS, {"region": 1}, {"auth": Record()})
    asked = product((*SUBJECTS, STRONG), ACTIONS, (*RESOURCES, PLANS), DEVICES, contexts)
    for subject, action, resource, device, fields in asked:
        found = decider.decide(PartialCheck(subject, action, resource, Record(fields), device))
        answer = decide(wide, CheckRequest(subject, action, resource, Record(fields), device))
        assert (found.outcome.value, found.reason) == (answer.decision.value, answer.reason)
        assert found.message == answer.message or found.reason is ReasonClass.INVALID_REQUEST
        assert found.depends_on == ()
        reasons.add(found.reason)
    assert reasons == {
        ReasonClass.ALLOWED,
        ReasonClass.FORBIDDEN,
        ReasonClass.NOT_PERMITTED,
        ReasonClass.POLICY_ERROR,
        ReasonClass.INVALID_REQUEST,
    }


# Lists


def listed(world: World, check: PartialCheck) -> dict[EntityUID, PartialVerdict]:
    decider = PartialDecider(world, AGES, NOW)
    return dict(decider.candidates(check, decider.decide(check)))


def test_a_list_of_resources_is_those_that_would_be_allowed(wide: World) -> None:
    lengths = set()
    for subject, action, device, region in product((*SUBJECTS, STRONG), ACTIONS, (None, LAPTOP), REGIONS):
        for unknown in (Unknown(stored=True), Unknown("Files::File", stored=True)):
            found = listed(wide, PartialCheck(subject, action, unknown, Record(region), device))
            assert all(verdict.outcome is Outcome.ALLOW for verdict in found.values())
            assert set(found) == {
                entity.uid
                for entity in wide.facts.entities
                if decide(wide, CheckRequest(subject, action, entity.uid, Record(region), device)).decision
                is Decision.ALLOW
            }
            lengths.add(len(found))
    assert lengths == {0, 1, 2}


def test_a_list_of_actions_is_those_that_would_be_allowed(wide: World) -> None:
    found_ever = set()
    for subject, resource, region in product(SUBJECTS, RESOURCES, REGIONS):
        found = listed(wide, PartialCheck(subject, Unknown(stored=True), resource, Record(region)))
        assert set(found) == {
            action
            for action in wide.schema.actions
            if decide(wide, CheckRequest(subject, action, resource, Record(region))).decision is Decision.ALLOW
        }
        found_ever |= set(found)
    assert found_ever >= {READ, SHARE}


def test_a_list_of_principals_says_what_their_credential_and_device_would_decide(wide: World) -> None:
    kinds: Counter[Outcome] = Counter()
    for action, resource, device, region in product(ACTIONS, RESOURCES, (None, LAPTOP), REGIONS):
        found = listed(wide, PartialCheck(Unknown("User", stored=True), action, resource, Record(region), device))
        assert set(found) <= {ANA, BOB, EVE}
        for subject in SUBJECTS:
            if subject.uid == NOBODY:
                continue
            for one in DEVICES if device is None else (device,):
                answer = decide(wide, CheckRequest(subject, action, resource, Record(region), one)).decision
                if subject.uid not in found:
                    assert answer is Decision.DENY
                elif found[subject.uid].outcome is Outcome.ALLOW:
                    assert answer is Decision.ALLOW
        kinds += Counter(verdict.outcome for verdict in found.values())
    assert min(kinds[Outcome.ALLOW], kinds[Outcome.UNDECIDED]) > 5


def test_an_undecided_entity_says_what_it_depends_on(wide: World) -> None:
    check = PartialCheck(asserted(ANA), PURGE, Unknown("Files::File", stored=True), unknown=frozenset({"region"}))
    found = listed(wide, replace(check, device=LAPTOP))
    assert {id: [policy.id for policy in verdict.depends_on] for id, verdict in found.items()} == {
        file: ["more/purge-in-the-eu"] for file in (PLAN, SECRET)
    }
    assert listed(wide, check) == {}, "the device's score is missing"


def test_a_denied_question_lists_nothing(wide: World) -> None:
    assert listed(wide, PartialCheck(asserted(EVE), READ, Unknown(stored=True))) == {}
    assert listed(wide, PartialCheck(asserted(ANA), READ, Unknown("Files::Folder", stored=True))) == {}


# What the engine writes


def context(world: World, check: PartialCheck) -> tuple[set[str], set[str]]:
    """Names of the context that are known, and those that are there and not known."""
    response = PartialDecider(world, AGES, NOW).decide(check).response
    assert response is not None
    return set(response.request.context.known.fields), set(response.request.context.present)


@pytest.mark.parametrize(
    ("check", "unknown"),
    [
        (PartialCheck(asserted(BOB), READ, PLAN), set()),
        (PartialCheck(asserted(BOB), READ, Unknown()), {"grant"}),
        (PartialCheck(asserted(BOB), Unknown(), PLAN), {"grant"}),
        (PartialCheck(Unknown(), READ, PLAN), {"auth", "device", "workload", "grant"}),
        (PartialCheck(Unknown(), READ, PLAN, device=LAPTOP), {"auth", "workload", "grant"}),
        # No grant can cover these.
        (PartialCheck(asserted(EVE), READ, Unknown()), set()),
        (PartialCheck(asserted(BOB), WRITE, Unknown()), set()),
        (PartialCheck(asserted(BOB), Unknown(), GONE), set()),
        (PartialCheck(Unknown(), WRITE, PLAN, device=LAPTOP), {"auth", "workload"}),
        # Because it is said so.
        (PartialCheck(asserted(BOB), READ, PLAN, unknown=frozenset({"device", "grant"})), {"device", "grant"}),
    ],
)
def test_what_depends_on_the_unknown_is_unknown(wide: World, check: PartialCheck, unknown: set[str]) -> None:
    assert context(wide, check) == (set(OWNED) - unknown, unknown)


def test_facts_that_are_known_are_the_usual_ones(wide: World) -> None:
    response = PartialDecider(wide, AGES, NOW).decide(PartialCheck(STRONG, SHARE, Unknown())).response
    assert response is not None
    fields = response.request.context.known.fields
    assert fields["device"] == Record({"freshness": "fresh", "id": LAPTOP, "encrypted": True, "score": 80})
    assert fields["workload"] == Record({"freshness": "fresh", "attested": True})
    auth = fields["auth"]
    assert isinstance(auth, Record)
    assert auth.fields["acr"] == "phishing-resistant"


def test_claims_of_a_known_subject_count(wide: World) -> None:
    reader = by_token(BOB, groups=[uid('Group::"readers"')])
    check = PartialCheck(reader, READ, Unknown("Files::File", stored=True))
    assert {file: verdict.outcome for file, verdict in listed(wide, check).items()} == {PLAN: Outcome.ALLOW}
    suspended = PartialDecider(wide, AGES, NOW).decide(replace(check, subject=by_token(BOB, {"level": "high"})))
    assert (suspended.outcome, suspended.reason) == (Outcome.DENY, ReasonClass.INVALID_REQUEST)


def test_grants_that_are_not_in_force_are_no_policies(wide: World) -> None:
    check = PartialCheck(Unknown("User"), Unknown(), Unknown())
    for now, ids in ((NOW, {"grant/1", "grant/2"}), (NOW + 1, {"grant/1", "grant/2", "grant/4"}), (NOW + HOUR, set())):
        response = PartialDecider(wide, AGES, now).decide(check).response
        assert response is not None
        assert {id for id in response.residuals.static if id.startswith("grant/")} == ids


# What the engine adds to Cedar


def test_a_forbid_that_may_fail_may_deny(bundle: Bundle, facts: Facts) -> None:
    policies = """
        @id("p") permit (principal, action == Files::Action::"purge", resource);
        @id("f") forbid (principal, action == Files::Action::"purge", resource) when { %s };
    """

    def verdict(condition: str) -> PartialVerdict:
        world = a_world(bundle, replace(facts, grants={}), policies=policies % condition)
        check = PartialCheck(asserted(ANA), PURGE, Unknown("Files::File", stored=True), device=LAPTOP)
        return PartialDecider(world, AGES, NOW).decide(check)

    # It never holds: in Cedar alone the permit would stand, whatever the resource is.
    found = verdict("resource.secret && context.workload.attested")
    assert found.response is not None
    assert found.response.outcome is not Outcome.DENY
    assert found.response.hopeless == {"f"}
    assert (found.outcome, found.reason) == (Outcome.UNDECIDED, None)
    assert [policy.id for policy in found.depends_on] == ["f"]
    failing = verdict("context.workload.attested")
    assert (failing.outcome, failing.reason) == (Outcome.DENY, ReasonClass.POLICY_ERROR)
    assert failing.message == "a guardrail could not be evaluated: f"
    assert verdict("false").outcome is Outcome.ALLOW


def test_what_is_depended_on(wide: World) -> None:
    decider = PartialDecider(wide, AGES, NOW)
    found = decider.decide(PartialCheck(asserted(ANA), READ, Unknown("Files::File")))
    assert found.outcome is Outcome.UNDECIDED
    assert [(policy.effect, policy.id) for policy in found.depends_on] == [
        # Readers read for certain: which other permits hold does not matter.
        (Effect.FORBID, "guardrail/secret-needs-encrypted-device")
    ]
    assert found.response is not None
    assert found.response.permits == {"files/readers-read"}
    bob = decider.decide(PartialCheck(asserted(BOB), READ, Unknown("Files::File")))
    assert [policy.id for policy in bob.depends_on] == ["guardrail/secret-needs-encrypted-device", "grant/1"]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (PartialCheck(Unknown(), READ, PLAN, Record({"auth": Record()})), "the context holds `auth`"),
        (PartialCheck(STRONG, READ, Unknown(), device=PHONE), "the credential is bound to "),
        (PartialCheck(asserted(ANA), uid('Files::Action::"raed"'), Unknown()), "is not declared in the schema"),
        (PartialCheck(Unknown("Device"), READ, PLAN), "does not apply to a principal of type `Device`"),
        (PartialCheck(Unknown(), READ, PLAN, Record({"region": 1})), "must be String"),
        (PartialCheck(Unknown(), READ, PLAN, Record({"reigon": "eu"})), "which is not declared"),
    ],
)
def test_what_no_completion_would_be_answered_is_denied(wide: World, check: PartialCheck, message: str) -> None:
    found = PartialDecider(wide, AGES, NOW).decide(check)
    assert (found.outcome, found.reason, found.response) == (Outcome.DENY, ReasonClass.INVALID_REQUEST, None)
    assert message in found.message
    assert (found.depends_on, list(PartialDecider(wide, AGES, NOW).candidates(check, found))) == ((), [])
