"""The joining of facts: what is fresh, what is bound, which grant counts, and until when all of it holds."""

import dataclasses
from typing import Any

import pytest
from engine_worlds import (
    AGES,
    ANA,
    BOB,
    EVE,
    HOUR,
    LAPTOP,
    MINUTE,
    NOW,
    PHONE,
    PLAN,
    PLANS,
    PURGE,
    READ,
    READERS,
    SECOND,
    STAFF,
    a_grant,
    a_posture,
    a_world,
    ask,
    by_token,
    uid,
)
from hypothesis import given
from hypothesis import strategies as st
from small_world import SCHEMA

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ConformanceError, EntityError
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, EntityUID, Record, Set, Value
from pdp.context.facts import Facts, Grant, Posture
from pdp.context.freshness import MAX_SKEW, grant_status
from pdp.engine.decider import CheckRequest
from pdp.engine.enrich import OWNED, Enriched, RequestRefused, enrich
from pdp.engine.snapshot import World, build_world
from pdp.identity.subject import Subject
from pdp.policies.bundle import Bundle


def join(request: CheckRequest, world: World, now: int = NOW) -> Enriched:
    return enrich(request, world, now, AGES)


def owned(request: CheckRequest, world: World, name: str, now: int = NOW) -> Value:
    """One of the engine's records, as plain fields."""
    record = join(request, world, now).request.context.fields[name]
    assert isinstance(record, Record)
    return record


# What is joined, in full


def test_the_whole_context_of_an_asserted_subject_on_a_known_device(world: World) -> None:
    found = join(ask(ANA, device=LAPTOP, context={"region": "eu"}), world)
    assert found.request.context == Record(
        {
            "auth": Record({"method": "asserted", "freshness": "unknown", "amr": Set()}),
            "device": Record({"freshness": "fresh", "id": LAPTOP, "encrypted": True, "score": 80}),
            "workload": Record({"freshness": "unknown"}),
            "grant": Record({"status": "none"}),
            "region": "eu",
        }
    )
    assert (found.request.principal, found.request.action, found.request.resource) == (ANA, READ, PLAN)


def test_the_authentication_of_a_token(world: World) -> None:
    subject = by_token(ANA, acr="mfa", amr=frozenset({"pwd", "hwk"}), authenticated_at=NOW - MINUTE)
    assert owned(ask(subject), world, "auth") == Record(
        {"method": "jwt", "freshness": "fresh", "acr": "mfa", "amr": Set(["hwk", "pwd"])}
    )


def test_without_a_device_its_record_says_unknown(world: World) -> None:
    assert owned(ask(), world, "device") == Record({"freshness": "unknown"})
    assert owned(ask(device=PHONE), world, "device") == Record({"freshness": "unknown", "id": PHONE})


def test_posture_of_the_principal_itself_is_the_workloads(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, posture=[a_posture(ANA, attested=True)])
    assert owned(ask(), world, "workload") == Record({"freshness": "fresh", "attested": True})
    assert owned(ask(), world, "device") == Record({"freshness": "unknown"})
    assert owned(ask(BOB), world, "workload") == Record({"freshness": "unknown"})


# The engine's own names


@pytest.mark.parametrize("name", sorted(OWNED))
def test_a_caller_cannot_write_what_the_engine_owns(world: World, name: str) -> None:
    with pytest.raises(RequestRefused, match=f"the context holds `{name}`"):
        join(ask(context={name: Record(), "region": "eu"}), world)


def test_every_owned_name_that_was_sent_is_named(world: World) -> None:
    with pytest.raises(RequestRefused, match="`auth`, `device`, `grant`, `workload`"):
        join(ask(context=dict.fromkeys(OWNED, True)), world)


def test_the_engine_writes_every_name_that_it_owns_and_no_other(world: World) -> None:
    assert join(ask(), world).request.context.fields.keys() == OWNED


# Freshness


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (0, "fresh"),
        (AGES.device - 1, "fresh"),
        (AGES.device, "stale"),
        (AGES.device + HOUR, "stale"),
        (-MAX_SKEW, "fresh"),
        (-MAX_SKEW - 1, "unknown"),
    ],
)
def test_a_fact_that_is_not_fresh_is_absent_and_visibly_so(bundle: Bundle, facts: Facts, age: int, state: str) -> None:
    world = a_world(bundle, facts, posture=[a_posture(age=age, encrypted=True)])
    shown = {"encrypted": True} if state == "fresh" else {}
    assert owned(ask(device=LAPTOP), world, "device") == Record({"freshness": state, "id": LAPTOP, **shown})


@pytest.mark.parametrize(
    ("age", "state"), [(AGES.workload - 1, "fresh"), (AGES.workload, "stale"), (-MAX_SKEW - 1, "unknown")]
)
def test_a_workloads_facts_age_by_their_own_limit(bundle: Bundle, facts: Facts, age: int, state: str) -> None:
    world = a_world(bundle, facts, posture=[a_posture(ANA, age, attested=True)])
    shown = {"attested": True} if state == "fresh" else {}
    assert owned(ask(), world, "workload") == Record({"freshness": state, **shown})


@pytest.mark.parametrize(
    ("age", "state"),
    [(AGES.authentication - 1, "fresh"), (AGES.authentication, "stale"), (-MAX_SKEW - 1, "unknown"), (None, "unknown")],
)
def test_an_authentication_ages_but_what_it_was_stays_visible(world: World, age: int | None, state: str) -> None:
    at = None if age is None else NOW - age
    found = owned(ask(by_token(ANA, acr="mfa", authenticated_at=at)), world, "auth")
    assert found == Record({"method": "jwt", "freshness": state, "acr": "mfa", "amr": Set()})


def test_a_report_cannot_call_itself_fresh_nor_another_device(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, posture=[a_posture(age=HOUR, freshness="fresh"), a_posture(PHONE, id=LAPTOP)])
    assert owned(ask(device=LAPTOP), world, "device") == Record({"freshness": "stale", "id": LAPTOP})
    assert owned(ask(device=PHONE), world, "device") == Record({"freshness": "fresh", "id": PHONE})


# The device


@pytest.mark.parametrize(
    ("bound", "named", "counts"),
    [(None, None, None), (LAPTOP, None, LAPTOP), (None, LAPTOP, LAPTOP), (LAPTOP, LAPTOP, LAPTOP)],
)
def test_the_device_that_counts(
    world: World, bound: EntityUID | None, named: EntityUID | None, counts: EntityUID | None
) -> None:
    found = owned(ask(by_token(ANA, device=bound), device=named), world, "device")
    assert isinstance(found, Record)
    assert found.fields.get("id") == counts


def test_a_credential_of_one_device_is_not_honoured_from_another(world: World) -> None:
    with pytest.raises(RequestRefused, match='bound to `Device::"laptop"` and the request names `Device::"phone"`'):
        join(ask(by_token(ANA, device=LAPTOP), device=PHONE), world)


# What the credential says of its subject


def stored(found: Enriched, uid: EntityUID) -> Entity:
    entity = found.entities.get(uid)
    assert entity is not None
    return entity


def test_a_stored_fact_outranks_a_claim(world: World) -> None:
    found = join(ask(by_token(ANA, {"suspended": True, "level": 9})), world)
    assert stored(found, ANA).attrs == {"suspended": False, "level": 3}


def test_a_claim_adds_what_is_not_stored(world: World) -> None:
    found = join(ask(by_token(BOB, {"level": 9})), world)
    assert stored(found, BOB).attrs == {"suspended": False, "level": 9}


def test_claimed_groups_are_added_with_everything_above_them(world: World) -> None:
    found = join(ask(by_token(BOB, groups=[READERS])), world)
    assert stored(found, BOB).ancestors == {READERS, STAFF}
    assert stored(join(ask(BOB), world), BOB).ancestors == frozenset()


def test_a_subject_that_is_not_stored_is_what_its_credential_says(world: World) -> None:
    carl = EntityUID("User", "carl")
    found = join(ask(by_token(carl, {"suspended": False}, [READERS])), world)
    assert stored(found, carl).attrs == {"suspended": False}
    assert carl not in join(ask(carl), world).entities
    assert carl not in world.facts.entities


@pytest.mark.parametrize(
    ("attrs", "groups"),
    [
        ({"level": "9"}, []),
        ({"unheard_of": 1}, []),
        ({}, [EntityUID("Files::Folder", "plans")]),
    ],
    ids=["wrong type", "unknown attribute", "group of a wrong type"],
)
def test_a_claim_that_does_not_fit_the_schema_is_refused(
    world: World, attrs: dict[str, Value], groups: list[EntityUID]
) -> None:
    with pytest.raises(ConformanceError):
        join(ask(by_token(BOB, attrs, groups)), world)


def test_an_incomplete_unknown_subject_is_refused(world: World) -> None:
    with pytest.raises(ConformanceError, match="suspended"):
        join(ask(by_token(EntityUID("User", "carl"), {"level": 1})), world)


def test_a_credential_cannot_make_a_cycle(bundle: Bundle, facts: Facts) -> None:
    # A group that is itself the subject: the schema lets groups be in groups, and `staff` is above `readers`.
    world = a_world(bundle, facts, policies='@id("p") permit (principal, action, resource);')
    with pytest.raises((EntityError, ConformanceError)):
        join(ask(by_token(STAFF, groups=[READERS])), world)


# The schema


@pytest.mark.parametrize(
    "request_",
    [
        ask(action=uid('Files::Action::"burn"')),
        ask(action=uid('Action::"read"')),
        ask(resource=PLANS),
        ask(who=READERS),
        ask(context={"region": 1}),
        ask(context={"ip": "10.0.0.1"}),
        ask(context={"colour": "red"}),
        ask(device=ANA),
    ],
    ids=["action", "namespace", "resource", "principal", "type", "ip as text", "unknown name", "device"],
)
def test_a_request_that_does_not_fit_the_schema_is_refused(world: World, request_: CheckRequest) -> None:
    with pytest.raises(ConformanceError):
        join(request_, world)


def test_posture_that_does_not_fit_the_schema_is_refused(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, posture=[a_posture(encrypted="true")])
    with pytest.raises(ConformanceError, match="encrypted"):
        join(ask(device=LAPTOP), world)


# Grants


ACTIVE = {"not_before": NOW - HOUR, "expires_at": NOW + HOUR}
LONGER = {"not_before": NOW - HOUR, "expires_at": NOW + 2 * HOUR}
EXPIRED = {"not_before": NOW - 2 * HOUR, "expires_at": NOW}
EXPIRED_EARLIER = {"not_before": NOW - 2 * HOUR, "expires_at": NOW - HOUR}
PENDING = {"not_before": NOW + 1, "expires_at": NOW + 3 * HOUR}


@pytest.mark.parametrize(
    ("grants", "status", "best"),
    [
        ([], "none", None),
        ([ACTIVE], "active", 0),
        ([EXPIRED], "expired", 0),
        ([PENDING], "pending", 0),
        ([PENDING, EXPIRED, ACTIVE], "active", 2),
        ([PENDING, EXPIRED], "expired", 1),
        ([ACTIVE, LONGER], "active", 1),
        ([LONGER, ACTIVE], "active", 0),
        ([EXPIRED_EARLIER, EXPIRED], "expired", 1),
        ([ACTIVE, ACTIVE], "active", 0),
    ],
)
def test_the_best_grant(
    bundle: Bundle, facts: Facts, grants: list[dict[str, int]], status: str, best: int | None
) -> None:
    held = [a_grant(number, **times) for number, times in enumerate(grants)]
    for order in (held, held[::-1]):
        found = join(ask(BOB), a_world(bundle, facts, grants=order))
        named = {} if best is None else {"id": f"grant/{best}"}
        assert found.request.context.fields["grant"] == Record({"status": status, **named})
        assert found.not_in_force == {grant.id for grant in held if not grant.not_before <= NOW < grant.expires_at}


@pytest.mark.parametrize(
    ("changes", "covers"),
    [
        ({}, True),
        ({"principal": ANA}, False),
        ({"principal": READERS}, False),
        ({"resource": PLAN}, True),
        ({"resource": EntityUID("Files::Folder", "other")}, False),
        ({"resource": EntityUID("Files::File", "secret")}, False),
    ],
)
def test_a_grant_counts_only_where_its_scope_holds(
    bundle: Bundle, facts: Facts, changes: dict[str, Any], covers: bool
) -> None:
    world = a_world(bundle, facts, grants=[a_grant(**changes)])
    status = "active" if covers else "none"
    assert owned(ask(BOB), world, "grant") == Record({"status": status, **({"id": "grant/1"} if covers else {})})


def test_a_grant_counts_only_for_the_actions_of_its_template(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, grants=[a_grant()])
    assert owned(ask(BOB, PURGE), world, "grant") == Record({"status": "none"})


@pytest.mark.parametrize("holder", [READERS, STAFF])
def test_a_grant_of_a_group_is_its_members(bundle: Bundle, facts: Facts, holder: EntityUID) -> None:
    world = a_world(bundle, facts, grants=[a_grant(principal=holder)])
    assert owned(ask(ANA), world, "grant") == Record({"status": "active", "id": "grant/1"})
    assert owned(ask(BOB), world, "grant") == Record({"status": "none"})
    assert owned(ask(by_token(BOB, groups=[READERS])), world, "grant") == Record({"status": "active", "id": "grant/1"})


# Until when


def test_nothing_that_ages_has_no_end(world: World) -> None:
    assert join(ask(EVE), world).valid_until is None


EXACT: list[tuple[str, CheckRequest, dict[str, Any], int | None]] = [
    ("device", ask(device=LAPTOP), {"posture": [a_posture(age=MINUTE)]}, NOW - MINUTE + AGES.device),
    ("stale device", ask(device=LAPTOP), {"posture": [a_posture(age=AGES.device)]}, None),
    ("device ahead of us", ask(device=LAPTOP), {"posture": [a_posture(age=-HOUR)]}, NOW + HOUR - MAX_SKEW),
    ("workload", ask(), {"posture": [a_posture(ANA, MINUTE)]}, NOW - MINUTE + AGES.workload),
    ("another device", ask(device=PHONE), {"posture": [a_posture()]}, None),
    ("authentication", ask(by_token(ANA, authenticated_at=NOW)), {}, NOW + AGES.authentication),
    ("token", ask(by_token(ANA, expires_at=NOW + SECOND)), {}, NOW + SECOND),
    ("grant in force", ask(BOB), {"grants": [a_grant()]}, NOW + HOUR),
    ("grant to come", ask(BOB), {"grants": [a_grant(**PENDING)]}, NOW + 1),
    ("grant over", ask(BOB), {"grants": [a_grant(**EXPIRED)]}, None),
    ("grant of another", ask(ANA), {"grants": [a_grant()]}, None),
    ("the first of several", ask(BOB), {"grants": [a_grant(1, **LONGER), a_grant(2), a_grant(3, **PENDING)]}, NOW + 1),
]


@pytest.mark.parametrize(("request_", "world_", "end"), [case[1:] for case in EXACT], ids=[case[0] for case in EXACT])
def test_the_first_change_to_come(
    bundle: Bundle, facts: Facts, request_: CheckRequest, world_: dict[str, Any], end: int | None
) -> None:
    world = a_world(bundle, facts, **({"posture": [], "grants": []} | world_))
    assert join(request_, world).valid_until == end


SPANS = st.one_of(st.integers(-2 * HOUR, 2 * HOUR), st.sampled_from([0, 1, -1, MAX_SKEW, -MAX_SKEW, AGES.device]))


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Posture], list[Grant], Subject]:
    """Reports, grants and a subject, each with any times around NOW."""
    posture = [
        Posture(subject, "test", NOW + draw(SPANS), {name: True})
        for subject, name in ((LAPTOP, "encrypted"), (BOB, "attested"))
        if draw(st.booleans())
    ]
    grants = []
    for number in range(draw(st.integers(0, 3))):
        start = NOW + draw(SPANS)
        grants.append(a_grant(number, not_before=start, expires_at=start + draw(st.integers(1, 3 * HOUR))))
    times: dict[str, Any] = {
        name: NOW + draw(SPANS) for name in ("authenticated_at", "expires_at") if draw(st.booleans())
    }
    return posture, grants, by_token(BOB, **times)


@given(situations(), st.integers(0, 4 * HOUR), st.integers(0, 1_000_000))
def test_until_then_everything_that_was_joined_stays_as_it_is(
    bundle: Bundle, facts: Facts, situation: tuple[list[Posture], list[Grant], Subject], later: int, share: int
) -> None:
    posture, grants, subject = situation
    world = a_world(bundle, facts, posture=posture, grants=grants)
    request = ask(subject, device=LAPTOP)
    first = join(request, world)
    end = first.valid_until
    if end is not None and end <= NOW:
        return  # an expired credential; nothing is promised
    # Some instant before the end, or any later one if there is none.
    instant = NOW + later if end is None else NOW + (end - 1 - NOW) * share // 1_000_000
    again = join(request, world, instant)
    assert again.request == first.request
    assert again.not_in_force == first.not_in_force
    assert again.valid_until == end
    assert {g.id for g in grants if grant_status(g, instant).value != "active"} == set(first.not_in_force)


@given(situations())
def test_at_the_end_something_does_change(
    bundle: Bundle, facts: Facts, situation: tuple[list[Posture], list[Grant], Subject]
) -> None:
    posture, grants, subject = situation
    world = a_world(bundle, facts, posture=posture, grants=grants)
    request = ask(subject, device=LAPTOP)
    first = join(request, world)
    if first.valid_until is None or first.valid_until == subject.expires_at:
        return
    after = join(request, world, first.valid_until)
    assert (after.request, after.not_in_force) != (first.request, first.not_in_force)


TOLD = SCHEMA.replace("amr: Set<String> };", "amr: Set<String>, auth_time?: datetime };")


@pytest.mark.parametrize(
    ("schema", "at", "told"),
    [
        (SCHEMA, NOW - MINUTE, None),
        (TOLD, NOW - MINUTE, NOW - MINUTE),
        (TOLD, NOW - AGES.authentication, None),
        (TOLD, NOW + MAX_SKEW + 1, None),
        (TOLD, None, None),
    ],
)
def test_the_time_of_authentication_is_told_where_the_schema_declares_it_and_while_it_is_fresh(
    bundle: Bundle, facts: Facts, schema: str, at: int | None, told: int | None
) -> None:
    declaring = dataclasses.replace(bundle, schema=parse_schema(Source("schema", schema)))
    found = owned(ask(by_token(ANA, authenticated_at=at)), build_world(declaring, facts), "auth")
    assert isinstance(found, Record)
    assert found.fields.get("auth_time") == (None if told is None else Datetime(told))
