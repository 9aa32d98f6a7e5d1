"""Searches: what is found is what evaluations permit, page by page; and what is no search."""

import json
import random
from itertools import chain
from typing import Any

import pytest
from authzen_doors import FAR, LOCAL, Doors, an_ask, answer
from engine_worlds import policies_of
from fuzzing import damaged, rounds

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import PolicySet
from pdp.cedar.values import EntityUID
from pdp.context.facts import Facts
from pdp.engine.decider import ReasonClass
from pdp.engine.snapshot import World, build_world
from pdp.identity import base64url
from pdp.policies.bundle import Bundle
from pdp.transport.http.authzen import search
from pdp.transport.http.authzen.form import Kind
from pdp.transport.http.endpoint import HttpAsk

ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
RECORD_1, RECORD_2 = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
READ, WRITE = {"name": "read"}, {"name": "write"}
USERS, RECORDS = {"type": "user"}, {"type": "record"}
STAFF = EntityUID("Group", "staff")


def found(doors: Doors, kind: Kind, body: Any, token: str | None = None) -> dict[str, Any]:
    status, page = answer(adapter(doors, kind), an_ask(body, token))
    assert status == 200, page
    assert next(iter(page)) == "page", "the specification wants it first"
    assert page["page"]["count"] == len(page["results"])
    return page  # type: ignore[no-any-return] # JSON


def adapter(doors: Doors, kind: Kind) -> Any:
    return {
        Kind.SUBJECT: doors.search.subjects,
        Kind.RESOURCE: doors.search.resources,
        Kind.ACTION: doors.search.actions,
    }[kind]


def users(doors: Doors, action: Any, resource: Any, **more: Any) -> list[str]:
    results = found(doors, Kind.SUBJECT, {"subject": USERS, "action": action, "resource": resource, **more})["results"]
    assert all(each["type"] == "user" for each in results)
    return [each["id"] for each in results]


def records(doors: Doors, subject: Any, action: Any, **more: Any) -> list[str]:
    body = {"subject": subject, "action": action, "resource": RECORDS, **more}
    return [each["id"] for each in found(doors, Kind.RESOURCE, body)["results"]]


def actions(doors: Doors, subject: Any, resource: Any, **more: Any) -> list[str]:
    body = {"subject": subject, "resource": resource, **more}
    return [each["name"] for each in found(doors, Kind.ACTION, body)["results"]]


def enlarge(doors: Doors, number: int) -> None:
    """A world with so many users and records more that there are fewer policies than candidates."""
    world = doors.current.world
    assert world is not None
    more = [Entity(EntityUID("User", f"u{n}"), {}, frozenset({STAFF} if n % 3 else ())) for n in range(number)]
    status = ("active", "archived", "sealed", "lost")
    more += [Entity(EntityUID("Records::Record", f"r{n}"), {"status": status[n % 4]}) for n in range(number)]
    doors.current.world = rebuilt(world, more)


def rebuilt(world: World, entities: list[Entity], policies: str = "") -> World:
    """The world with more entities and policies."""
    static = (*world.policies.static.values(), *policies_of(policies))
    bundle = Bundle(PolicySet((*static, *world.policies.templates.values())), world.schema, "other")
    return build_world(bundle, Facts(Entities((*world.facts.entities, *entities)), world.facts.posture))


def test_subjects(doors: Doors) -> None:
    assert users(doors, READ, RECORD_1) == ["alice", "bob"]
    assert users(doors, WRITE, RECORD_1) == ["alice"]
    assert users(doors, WRITE, RECORD_2) == ["bob"]
    new = {"type": "record", "id": "new", "properties": {"status": "archived"}}
    assert users(doors, WRITE, new) == ["bob"], "facts of what is not stored come from the request"
    assert users(doors, {"name": "delete", "properties": {"soft": True}}, RECORD_1) == ["alice", "bob"]
    assert users(doors, {"name": "delete"}, RECORD_1) == []


def test_resources(doors: Doors) -> None:
    assert records(doors, ALICE, READ) == ["record-1", "record-2"]
    assert records(doors, ALICE, WRITE) == ["record-1"]
    assert records(doors, BOB, WRITE) == ["record-2"]
    as_admin = {"type": "user", "id": "alice", "properties": {"role": "admin"}}
    assert records(doors, as_admin, WRITE) == ["record-2"]
    assert records(doors, {"type": "user", "id": "nobody"}, READ) == []


def test_actions(doors: Doors) -> None:
    assert actions(doors, ALICE, RECORD_1) == ["read", "write"]
    assert actions(doors, BOB, RECORD_2) == ["read", "write"]
    assert actions(doors, ALICE, RECORD_2) == ["read"]
    # Of two actions, one alone gives this context a meaning: the other is not found, and nothing is refused.
    assert actions(doors, ALICE, RECORD_1, context={"action": "x"}) == ["note"]
    keeper = {"type": "record", "id": "k", "properties": {"keeper": {"type": "User", "id": "zoe"}}}
    assert actions(doors, {"type": "user", "id": "zoe"}, keeper) == ["delete"]


@pytest.mark.parametrize("large", [False, True], ids=["few candidates", "more candidates than policies"])
def test_what_is_found_is_what_evaluations_permit(doors: Doors, large: bool) -> None:
    if large:
        enlarge(doors, 30)
    world = doors.current.world
    assert world is not None
    stored = [entity.uid for entity in world.facts.entities]
    everybody = sorted(uid.id for uid in stored if uid.type == "User")
    everything = sorted(uid.id for uid in stored if uid.type == "Records::Record")
    acts: list[Any] = [READ, WRITE, {"name": "delete", "properties": {"soft": True}}, {"name": "fly"}]

    def permitted(subject: Any, action: Any, resource: Any) -> bool:
        body = {"subject": subject, "action": action, "resource": resource}
        return bool(answer(doors.evaluation.evaluate, an_ask(body))[1]["decision"])

    some = random.Random(20261125)
    for user in {"alice", "bob", "zoe", "nobody", *some.sample(everybody, 3)}:
        subject = {"type": "user", "id": user}
        for act in acts:
            one_by_one = [id for id in everything if permitted(subject, act, {"type": "record", "id": id})]
            assert records(doors, subject, act) == one_by_one
    for record in {"record-1", "record-2", "nowhere", *some.sample(everything, 2)}:
        resource = {"type": "record", "id": record}
        for act in acts:
            one_by_one = [id for id in everybody if permitted({"type": "user", "id": id}, act, resource)]
            assert users(doors, act, resource) == one_by_one


def test_what_nobody_is_permitted_is_seen_at_once(doors: Doors) -> None:
    enlarge(doors, 50)
    assert len(users(doors, READ, RECORD_1)) == 35
    assert len(doors.decider.asked) == 53
    doors.decider.asked.clear()
    sealed = {"type": "record", "id": "r2"}
    assert users(doors, READ, sealed) == []
    assert records(doors, {"type": "user", "id": "zoe"}, READ) == []
    assert doors.decider.asked == []
    # The caller's own facts are not known to partial evaluation: then each candidate is asked about.
    assert users(doors, READ, {"type": "record", "id": "n", "properties": {"status": "sealed"}}) == []
    assert len(doors.decider.asked) == 53


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.SUBJECT, {"subject": {"type": "spaceship"}, "action": READ, "resource": RECORD_1}),
        (Kind.SUBJECT, {"subject": {"type": "space ship"}, "action": READ, "resource": RECORD_1}),
        (Kind.SUBJECT, {"subject": USERS, "action": READ, "resource": {"type": "Spaceship", "id": "x"}}),
        (Kind.SUBJECT, {"subject": USERS, "action": {"name": "fly"}, "resource": RECORD_1}),
        (Kind.SUBJECT, {"subject": {"type": "Device"}, "action": READ, "resource": RECORD_1}),
        (Kind.RESOURCE, {"subject": ALICE, "action": READ, "resource": {"type": "space ship"}}),
        (Kind.RESOURCE, {"subject": {"type": "space ship", "id": "x"}, "action": READ, "resource": RECORDS}),
        (Kind.RESOURCE, {"subject": ALICE, "action": READ, "resource": RECORDS, "context": {"ip": "here"}}),
        (Kind.ACTION, {"subject": {"type": "user", "id": "nonexistent-user"}, "resource": RECORD_1}),
        (Kind.ACTION, {"subject": {"type": "x y", "id": "x"}, "resource": RECORD_1}),
        (Kind.ACTION, {"subject": ALICE, "resource": {"type": "x y", "id": "x"}}),
        (Kind.ACTION, {"subject": RECORD_1, "resource": ALICE}),
    ],
)
def test_what_is_unknown_finds_nothing_and_is_no_error(doors: Doors, kind: Kind, body: Any) -> None:
    page = found(doors, kind, body)
    assert (page["results"], page["page"]) == ([], {"next_token": "", "count": 0})


def test_before_anything_is_loaded_nothing_is_found(doors: Doors) -> None:
    doors.current.world = None
    page = found(doors, Kind.RESOURCE, {"subject": ALICE, "action": READ, "resource": RECORDS})
    assert (page["results"], page["context"]["reason"]) == ([], "not_ready")


def test_a_token_searches_for_its_subject_and_no_subjects(doors: Doors) -> None:
    body = {"subject": ALICE, "action": READ, "resource": RECORDS}
    assert len(found(doors, Kind.RESOURCE, body, "alice")["results"]) == 2
    assert answer(doors.search.resources, an_ask(body, "bob"))[0] == 403
    assert answer(doors.search.resources, an_ask(body, "alice", FAR))[0] == 200
    assert answer(doors.search.resources, an_ask(body, caller=FAR))[0] == 401
    everybody = {"subject": USERS, "action": READ, "resource": RECORD_1}
    assert answer(doors.search.subjects, an_ask(everybody, "alice"))[0] == 403
    assert answer(doors.search.subjects, an_ask(everybody, caller=FAR))[0] == 401
    assert answer(doors.search.actions, an_ask({"subject": ALICE, "resource": RECORD_1}, "bob"))[0] == 403


def test_what_is_counted(doors: Doors) -> None:
    for kind, body, reason in (
        (Kind.RESOURCE, {"subject": ALICE, "action": READ, "resource": RECORDS}, ReasonClass.ALLOWED),
        (Kind.SUBJECT, {"subject": USERS, "action": {"name": "fly"}, "resource": RECORD_1}, ReasonClass.NOT_PERMITTED),
        (Kind.SUBJECT, {"subject": USERS, "action": READ}, ReasonClass.INVALID_REQUEST),
    ):
        assert [verdict.reason for verdict in adapter(doors, kind)(an_ask(body)).verdicts] == [reason]


# Pages


def pages(doors: Doors, kind: Kind, body: dict[str, Any], limit: int | None, repeat: bool = True) -> list[list[str]]:
    """The ids on each page, to the end."""
    read: list[list[str]] = []
    page: dict[str, Any] = {} if limit is None else {"limit": limit}
    while True:
        answered = found(doors, kind, {**body, "page": page})
        read.append([each.get("id", each.get("name")) for each in answered["results"]])
        token = answered["page"]["next_token"]
        if token == "":
            return read
        page = {"token": token, **({"limit": limit} if repeat and limit is not None else {})}
        assert len(read) < 100


BY_ALICE = {"subject": ALICE, "action": READ, "resource": RECORDS}


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 22, 23, 1_000, 5_000])
def test_pages_hold_all_results_once_in_the_order_of_ids(doors: Doors, limit: int, repeat: bool) -> None:
    enlarge(doors, 25)
    read = pages(doors, Kind.RESOURCE, BY_ALICE, limit, repeat)
    everything = [id for page in read for id in page]
    assert everything == sorted(everything)
    assert everything == records(doors, ALICE, READ)
    assert len(everything) == 21, "all but those that are sealed"
    assert all(len(page) == limit for page in read[:-2])


def test_pages_of_subjects_and_actions(doors: Doors) -> None:
    enlarge(doors, 10)
    body = {"subject": USERS, "action": READ, "resource": RECORD_1}
    assert list(chain(*pages(doors, Kind.SUBJECT, body, 3))) == users(doors, READ, RECORD_1)
    assert pages(doors, Kind.ACTION, {"subject": ALICE, "resource": RECORD_1}, 1) == [["read"], ["write"]]


def test_a_page_of_none(doors: Doors) -> None:
    page = found(doors, Kind.RESOURCE, {**BY_ALICE, "page": {"limit": 0}})
    assert page["results"] == []
    assert page["page"]["next_token"] != ""


def test_a_page_looks_at_no_more_than_it_may(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    enlarge(doors, 25)
    everything = records(doors, ALICE, READ)
    monkeypatch.setattr(search, "MAX_SCANNED", 4)
    doors.decider.asked.clear()
    read = pages(doors, Kind.RESOURCE, BY_ALICE, None)
    assert len(read) == 7
    assert list(chain(*read)) == everything
    assert len(doors.decider.asked) == 27


def test_results_without_a_limit_are_bounded(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_RESULTS", 1)
    assert pages(doors, Kind.RESOURCE, BY_ALICE, None) == [["record-1"], ["record-2"]]
    assert pages(doors, Kind.RESOURCE, BY_ALICE, 7) == [["record-1"], ["record-2"]]


def test_a_token_is_of_its_search(doors: Doors) -> None:
    token = found(doors, Kind.RESOURCE, {**BY_ALICE, "page": {"limit": 1}})["page"]["next_token"]
    others: list[dict[str, Any]] = [
        {**BY_ALICE, "subject": BOB},
        {**BY_ALICE, "subject": {**ALICE, "properties": {"x": 1}}},
        {**BY_ALICE, "action": WRITE},
        {**BY_ALICE, "action": {"name": "read", "properties": {"x": True}}},
        {**BY_ALICE, "context": {"x": 1}},
        {**BY_ALICE, "resource": {"type": "user"}},
    ]
    for other in others:
        status, body = answer(doors.search.resources, an_ask({**other, "page": {"token": token}}))
        assert (status, body["error"]["message"]) == (400, "`page.token` is of another search")
    for kind in (Kind.SUBJECT, Kind.ACTION):
        body = {"subject": ALICE, "action": READ, "resource": RECORD_1, "page": {"token": token}}
        assert answer(adapter(doors, kind), an_ask(body))[0] == 400
    for limit in (0, 2, 1_000):
        asked = {**BY_ALICE, "page": {"token": token, "limit": limit}}
        assert answer(doors.search.resources, an_ask(asked))[0] == 400
    # What is ignored may differ: the id and the properties of what is looked for, and the order of names.
    same = {"page": {"token": token}, "resource": {"id": "x", "properties": {"y": 1}, **RECORDS}, **BY_ALICE}
    same["resource"] = {"id": "x", "properties": {"y": 1}, **RECORDS}
    assert found(doors, Kind.RESOURCE, same)["results"] == [RECORD_2]


def made(*content: Any) -> str:
    return base64url.encode(json.dumps(content).encode())


@pytest.mark.parametrize(
    "token",
    [
        *("x", "!", "é", "e30", "bnVsbA", "AA==", made(), made("a", 1), made("a", "1", "x"), made("a", True, "x")),
        *(made(5, 1, "x"), made("a", 1, 5), base64url.encode(b"["), base64url.encode(b"[" * 200_000)),
        base64url.encode(b"\xff"),
    ],
)
def test_what_is_no_token(doors: Doors, token: str) -> None:
    status, body = answer(doors.search.resources, an_ask({**BY_ALICE, "page": {"token": token}}))
    assert (status, body["error"]["message"]) == (400, "`page.token` is none that this decision point gave")


def test_a_forged_position_shows_nothing_that_is_not_permitted(doors: Doors) -> None:
    token = found(doors, Kind.RESOURCE, {**BY_ALICE, "page": {"limit": 1}})["page"]["next_token"]
    after, limit, digest = json.loads(base64url.decode(token) or b"")
    assert (after, limit) == ("record-1", 1)
    for other in (None, "", "zzz", "\ud800", "record-2"):
        page = found(doors, Kind.RESOURCE, {**BY_ALICE, "page": {"token": made(other, 1, digest)}})
        assert page["results"] in ([RECORD_1], [])
    for number in (-1, 1_001, 10**30):
        asked = {**BY_ALICE, "page": {"token": made(after, number, digest)}}
        assert answer(doors.search.resources, an_ask(asked))[0] == 400


def test_long_ids_have_a_next_page(doors: Doors) -> None:
    world = doors.current.world
    assert world is not None
    ids = ["a" + "é" * 20_000 + tail for tail in ("1", "2")]
    doors.current.world = rebuilt(world, [Entity(EntityUID("Records::Record", id)) for id in ids])
    assert pages(doors, Kind.RESOURCE, BY_ALICE, 1) == [[ids[0]], [ids[1]], ["record-1"], ["record-2"]]


def test_new_facts_are_found_and_old_ones_are_not(doors: Doors) -> None:
    before = doors.current.world
    assert before is not None
    assert records(doors, ALICE, READ) == ["record-1", "record-2"]
    doors.current.world = rebuilt(before, [Entity(EntityUID("Records::Record", "a"))])
    assert records(doors, ALICE, READ) == ["a", "record-1", "record-2"]
    doors.current.world = before
    assert records(doors, ALICE, READ) == ["record-1", "record-2"]


def test_damaged_searches_never_raise(doors: Doors) -> None:
    body = {"subject": ALICE, "action": READ, "resource": RECORD_1, "page": {"limit": 1}}
    seeds = [json.dumps(body).encode(), json.dumps({**body, "page": {"token": made("a", 1, "x")}}).encode()]
    statuses = set()
    for data in damaged(random.Random(20261125), seeds, '{}[]":,\\ue0-. ', rounds(1_500)):
        for kind in Kind:
            statuses.add(answer(adapter(doors, kind), an_ask(data))[0])
    assert statuses == {200, 400}


def test_a_search_without_json_is_400(doors: Doors) -> None:
    ask = HttpAsk((("content-type", "text/plain"),), json.dumps(BY_ALICE).encode(), "", LOCAL)
    assert answer(doors.search.resources, ask)[0] == 400
