"""The verdict: Cedar's answer, the two rules on top of it, and every refusal before a policy is asked."""

import itertools

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
    SECRET,
    SHARE,
    WRITE,
    a_grant,
    a_posture,
    a_world,
    ask,
    by_token,
    decide,
    policies_of,
)
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.context.facts import Facts
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, World
from pdp.policies.bundle import Bundle

STRONG = by_token(ANA, acr="phishing-resistant", authenticated_at=NOW)


def ids(verdict: Verdict) -> list[str]:
    return [policy.id for policy in verdict.policies]


def test_an_allow_is_explained(world: World) -> None:
    assert decide(world, ask()) == Verdict(
        Decision.ALLOW,
        ReasonClass.ALLOWED,
        "readers read",
        (
            DeterminingPolicy(
                "files/readers-read",
                Effect.PERMIT,
                {
                    "id": "files/readers-read",
                    "reason": "readers read",
                    "obligation": "mask:margin; header:x-reader=yes",
                },
            ),
        ),
        (),
        (
            Obligation("mask", "margin", "files/readers-read"),
            Obligation("header", "x-reader=yes", "files/readers-read"),
        ),
        world.policy_revision,
        1,
        None,
    )


def test_a_forbid_outranks_a_permit_and_is_explained(world: World) -> None:
    verdict = decide(world, ask(EVE))
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.FORBIDDEN)
    assert (verdict.message, ids(verdict)) == ("suspended people may do nothing", ["guardrail/suspended"])
    assert verdict.obligations == ()


def test_a_deny_carries_its_forbids_obligations_and_not_the_permits(world: World) -> None:
    verdict = decide(world, ask(resource=SECRET))
    assert ids(verdict) == ["guardrail/secret-needs-encrypted-device"]
    assert verdict.obligations == (Obligation("notify", "security", "guardrail/secret-needs-encrypted-device"),)


def test_nothing_permits(world: World) -> None:
    verdict = decide(world, ask(BOB, WRITE))
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.NOT_PERMITTED)
    assert (verdict.message, verdict.policies, verdict.obligations) == ("no policy permits this", (), ())


def test_a_permit_that_fails_permits_nothing_and_is_reported(bundle: Bundle, facts: Facts) -> None:
    world = a_world(
        bundle, facts, policies='@id("p") permit (principal, action, resource) when { context.workload.attested };'
    )
    verdict = decide(world, ask(BOB, WRITE))
    assert verdict.reason is ReasonClass.NOT_PERMITTED
    assert [(error.policy_id, error.kind) for error in verdict.errors] == [("p", ErrorKind.ATTRIBUTE_MISSING)]
    allowed = decide(world, ask())
    assert (allowed.reason, [error.policy_id for error in allowed.errors]) == (ReasonClass.ALLOWED, ["p"])


# A forbid that cannot be evaluated denies


def test_a_forbid_that_fails_denies_what_cedar_alone_would_allow(world: World) -> None:
    verdict = decide(world, ask(resource=GONE))
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.POLICY_ERROR)
    assert ids(verdict) == ["guardrail/secret-needs-encrypted-device"]
    assert verdict.message == "a guardrail could not be evaluated: guardrail/secret-needs-encrypted-device"
    assert [(error.policy_id, error.kind) for error in verdict.errors] == [
        ("guardrail/secret-needs-encrypted-device", ErrorKind.ENTITY_MISSING)
    ]


CARELESS = '@id("careless") forbid (principal, action, resource) when { context.device.score < 50 };'
"""The strict validator would refuse it; the engine does not count on that."""


def test_with_the_missing_fact_the_same_forbid_lets_pass_or_holds(bundle: Bundle, facts: Facts) -> None:
    for score, reason in ((80, ReasonClass.ALLOWED), (10, ReasonClass.FORBIDDEN)):
        world = a_world(bundle, facts, posture=[a_posture(score=score)], policies=CARELESS)
        assert decide(world, ask(ANA, SHARE, device=LAPTOP)).reason is reason
    stale = a_world(bundle, facts, posture=[a_posture(age=AGES.device, score=80)], policies=CARELESS)
    assert decide(stale, ask(ANA, SHARE, device=LAPTOP)).reason is ReasonClass.POLICY_ERROR


PARTS = {
    "permit": '@id("permit") permit (principal, action, resource);',
    "forbid": '@id("forbid") forbid (principal, action, resource);',
    "failing permit": '@id("failing permit") permit (principal, action, resource) when { context.workload.attested };',
    "failing forbid": '@id("failing forbid") forbid (principal, action, resource) when { context.workload.attested };',
}


@pytest.mark.parametrize(
    "chosen",
    [c for size in range(5) for c in itertools.combinations(PARTS, size)],
    ids=lambda c: " + ".join(c) or "none",
)
def test_every_combination_of_outcomes(bundle: Bundle, facts: Facts, chosen: tuple[str, ...]) -> None:
    world = a_world(bundle, facts, policies="\n".join(PARTS[name] for name in chosen))
    verdict = decide(world, ask(BOB, WRITE))
    if "forbid" in chosen:
        expected, determining = ReasonClass.FORBIDDEN, ["forbid"]
    elif "failing forbid" in chosen:
        expected, determining = ReasonClass.POLICY_ERROR, ["failing forbid"]
    elif "permit" in chosen:
        expected, determining = ReasonClass.ALLOWED, ["permit"]
    else:
        expected, determining = ReasonClass.NOT_PERMITTED, []
    assert (verdict.reason, ids(verdict)) == (expected, determining)
    assert (verdict.decision is Decision.ALLOW) is (expected is ReasonClass.ALLOWED)
    assert [error.policy_id for error in verdict.errors] == sorted(name for name in chosen if "failing" in name)


def test_all_determining_policies_are_named_in_order_and_a_reason_once(bundle: Bundle, facts: Facts) -> None:
    more = "\n".join(
        f'@id("{id}") {reason} forbid (principal, action, resource);'
        for id, reason in (("z", '@reason("no")'), ("a", '@reason("no")'), ("m", "@reason"), ("b", ""))
    )
    verdict = decide(a_world(bundle, facts, policies=more), ask())
    assert ids(verdict) == ["a", "b", "m", "z"]
    assert verdict.message == "no; b; m"
    assert verdict.policies[2].annotations == {"id": "m", "reason": ""}


# Grants


def test_a_grant_permits_from_its_first_instant_until_its_end(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, grants=[a_grant()])
    for now, reason in (
        (NOW - HOUR - 1, ReasonClass.NOT_PERMITTED),
        (NOW - HOUR, ReasonClass.ALLOWED),
        (NOW + HOUR - 1, ReasonClass.ALLOWED),
        (NOW + HOUR, ReasonClass.NOT_PERMITTED),
    ):
        assert decide(world, ask(BOB), now).reason is reason
    assert ids(decide(world, ask(BOB))) == ["grant/1"]


def test_a_grant_does_not_overrule_a_guardrail(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, grants=[a_grant(principal=EVE)])
    assert decide(world, ask(EVE)).reason is ReasonClass.FORBIDDEN


def test_a_template_of_guardrail_kind_is_skipped_before_and_after_its_grant(bundle: Bundle, facts: Facts) -> None:
    template = '@id("entitlement/stop") forbid (principal == ?principal, action, resource in ?resource);'
    world = a_world(bundle, facts, policies=template, grants=[a_grant(template_id="entitlement/stop", principal=ANA)])
    assert decide(world, ask()).reason is ReasonClass.FORBIDDEN
    assert decide(world, ask(), NOW + HOUR).reason is ReasonClass.ALLOWED


# Refused before a policy is asked


def test_nothing_is_loaded_yet() -> None:
    verdict = decide(None, ask())
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.NOT_READY)
    assert (verdict.policy_revision, verdict.context_revision) == ("", 0)


@pytest.mark.parametrize(
    ("demanded", "reason"), [(0, ReasonClass.ALLOWED), (1, ReasonClass.ALLOWED), (2, ReasonClass.CONTEXT_BEHIND)]
)
def test_facts_older_than_demanded_do_not_answer(world: World, demanded: int, reason: ReasonClass) -> None:
    verdict = decide(world, ask(min_revision=demanded))
    assert verdict.reason is reason
    assert (verdict.policy_revision, verdict.context_revision) == (world.policy_revision, 1)


@pytest.mark.parametrize(
    "request_",
    [
        ask(context={"auth": "me"}),
        ask(context={"region": 1}),
        ask(action=EntityUID("Files::Action", "burn")),
        ask(by_token(BOB, {"level": "x"})),
        ask(by_token(ANA, device=LAPTOP), device=PHONE),
    ],
    ids=["owned name", "wrong type", "unknown action", "claim of a wrong type", "another device"],
)
def test_a_request_that_fits_nothing_is_refused_whatever_policies_say(
    bundle: Bundle, facts: Facts, request_: object
) -> None:
    world = a_world(bundle, facts, policies=PARTS["permit"]).at(5)
    verdict = decide(world, request_)  # type: ignore[arg-type]  # a CheckRequest; its own name is pytest's
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.INVALID_REQUEST)
    assert verdict.message
    assert (verdict.policies, verdict.context_revision) == ((), 5)


def test_the_time_is_read_once_and_the_world_is_taken_once(world: World) -> None:
    current, times = CurrentWorld(), []

    def now() -> int:
        times.append(NOW)
        current.world = None  # a reload between two reads would be seen
        return NOW

    current.world = world
    assert Evaluating(current, AGES, now).decide(ask()).reason is ReasonClass.ALLOWED
    assert times == [NOW]


# `valid_until` is honest


CLOCKED = "\n".join(
    (
        '@id("fresh") permit (principal, action, resource) when { context.device.freshness == "fresh" };',
        '@id("stale") forbid (principal, action, resource) when { context.device.freshness == "stale" };',
        '@id("auth") permit (principal, action, resource) when { context.auth.freshness == "fresh" };',
        '@id("grant") permit (principal, action, resource) when { context.grant.status == "expired" };',
        '@id("fails") permit (principal, action, resource) when { context.device.score > 1 };',
    )
)
TIMES = st.integers(-2 * HOUR, 2 * HOUR)


@given(
    observed=TIMES,
    authenticated=TIMES,
    grants=st.lists(st.tuples(TIMES, st.integers(1, HOUR)), max_size=3),
    expires=st.none() | st.integers(1, 2 * HOUR),
    share=st.integers(0, 1_000),
)
def test_until_valid_until_the_verdict_is_the_same_at_any_instant(
    bundle: Bundle,
    facts: Facts,
    observed: int,
    authenticated: int,
    grants: list[tuple[int, int]],
    expires: int | None,
    share: int,
) -> None:
    held = [
        a_grant(i, not_before=NOW + start, expires_at=NOW + start + length) for i, (start, length) in enumerate(grants)
    ]
    posture = [a_posture(age=-observed, score=2)]
    world = a_world(bundle, facts, posture=posture, grants=held, policies=CLOCKED)
    expiry = None if expires is None else NOW + expires
    request = ask(by_token(BOB, authenticated_at=NOW + authenticated, expires_at=expiry), device=LAPTOP)
    first = decide(world, request)
    last = NOW + 4 * HOUR if first.valid_until is None else first.valid_until - 1
    assert last >= NOW
    for instant in (NOW + (last - NOW) * share // 1_000, last):
        assert decide(world, request, instant) == first


def test_policies_of_gives_the_ids_it_promises() -> None:
    assert [policy.id for policy in policies_of(CLOCKED)] == ["fresh", "stale", "auth", "grant", "fails"]
