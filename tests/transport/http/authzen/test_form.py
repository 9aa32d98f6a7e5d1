"""The form of AuthZEN requests: what must be there, of which type, and what is not looked at."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from fuzzing import refusal, rounds
from json_mutants import json_mutants

from pdp.transport.errors import MessageError
from pdp.transport.http.authzen.form import (
    MAX_EVALUATIONS,
    Act,
    Evaluation,
    Evaluations,
    Kind,
    Page,
    Search,
    Semantic,
    Thing,
    read_evaluation,
    read_evaluations,
    read_search,
)

ALICE = {"type": "user", "id": "alice", "properties": {"role": "x"}}
RECORD = {"type": "record", "id": "1", "properties": {"status": "active"}}
READ = {"name": "read", "properties": {"soft": True}}
WHOLE: dict[str, Any] = {"subject": ALICE, "action": READ, "resource": RECORD, "context": {"time": "now"}}

SUBJECT, RESOURCE = Thing("user", "alice", {"role": "x"}), Thing("record", "1", {"status": "active"})
ACTION = Act("read", {"soft": True})
EVALUATION = Evaluation(SUBJECT, ACTION, RESOURCE, {"time": "now"})


def without(*path: str) -> dict[str, Any]:
    return changed(*path)


def changed(*path: str, **to: Any) -> dict[str, Any]:
    """The whole request with the value at a path replaced by `to=`, or removed."""
    body: Any = deepcopy(WHOLE)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    if "to" in to:
        inner[path[-1]] = to["to"]
    else:
        del inner[path[-1]]
    return body  # type: ignore[no-any-return] # a copy of a dictionary


def test_a_whole_request() -> None:
    assert read_evaluation(WHOLE) == EVALUATION


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (without("context"), Evaluation(SUBJECT, ACTION, RESOURCE)),
        (without("subject", "properties"), Evaluation(Thing("user", "alice"), ACTION, RESOURCE, {"time": "now"})),
        (without("action", "properties"), Evaluation(SUBJECT, Act("read"), RESOURCE, {"time": "now"})),
        (changed("future", to=[1]), EVALUATION),
        (changed("subject", "future", to=None), EVALUATION),
        (changed("action", "id", to=5), EVALUATION),
        (changed("evaluations", to=[]), EVALUATION),
        (changed("subject", "id", to=""), replace(EVALUATION, subject=Thing("user", "", {"role": "x"}))),
    ],
)
def test_what_may_be_missing_and_what_is_not_known(body: Any, expected: Evaluation) -> None:
    assert read_evaluation(body) == expected


REQUIRED = [
    *(("subject",), ("action",), ("resource",)),
    *(("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"), ("resource", "id")),
]


@pytest.mark.parametrize("path", REQUIRED)
def test_what_is_required(path: tuple[str, ...]) -> None:
    with pytest.raises(MessageError, match=f"^`{'.'.join(path)}` is missing$"):
        read_evaluation(without(*path))


@pytest.mark.parametrize("wrong", [None, True, 0, 1, 1.5, "x", [], ["x"], {}, {"type": "x"}])
@pytest.mark.parametrize(
    "path",
    [*REQUIRED, ("context",), ("subject", "properties"), ("action", "properties"), ("resource", "properties")],
)
def test_what_is_of_another_type(path: tuple[str, ...], wrong: Any) -> None:
    is_text = path[-1] in {"type", "id", "name"}
    if isinstance(wrong, str) == is_text and (is_text or isinstance(wrong, dict)):
        return
    with pytest.raises(MessageError, match=rf"^`{'.'.join(path)}` must be {'a string' if is_text else 'an object'}, "):
        read_evaluation(changed(*path, to=wrong))


# Several


def several(*items: Any, **top: Any) -> Evaluations:
    return read_evaluations({**top, "evaluations": list(items)})


@pytest.mark.parametrize("body", [WHOLE, changed("evaluations", to=[])])
def test_a_request_without_a_list_is_a_single_evaluation(body: Any) -> None:
    assert read_evaluations(body) == Evaluations((EVALUATION,), Semantic.EXECUTE_ALL, single=True)
    with pytest.raises(MessageError, match="`subject` is missing"):
        read_evaluations({name: value for name, value in body.items() if name != "subject"})


def test_defaults_are_taken_whole_or_not_at_all() -> None:
    bare = {"type": "user", "id": "bob"}
    read = several({}, {"subject": bare}, {"action": {"name": "write"}, "context": {}}, **WHOLE)
    # Nothing of the default's properties is left when an item names the entity itself.
    assert read.items == (
        EVALUATION,
        Evaluation(Thing("user", "bob"), ACTION, RESOURCE, {"time": "now"}),
        Evaluation(SUBJECT, Act("write"), RESOURCE, {}),
    )
    assert not read.single


def test_without_defaults_each_item_is_whole() -> None:
    assert several(WHOLE, WHOLE).items == (EVALUATION, EVALUATION)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "`evaluations[1].resource` is missing"),
        ({"resource": None}, "`evaluations[1].resource` must be an object, found `null`"),
        ({"resource": {"type": "record"}}, "`evaluations[1].resource.id` is missing"),
        ({"resource": RECORD, "subject": {"id": "x"}}, "`evaluations[1].subject.type` is missing"),
        ({"resource": RECORD, "context": []}, "`evaluations[1].context` must be an object, found an array"),
        (None, "`evaluations[1]` must be an object, found `null`"),
        ([WHOLE], "`evaluations[1]` must be an object, found an array"),
        ("x", "`evaluations[1]` must be an object, found a string"),
    ],
)
def test_a_broken_item_stands_in_its_place(item: Any, message: str) -> None:
    read = several({"resource": RECORD}, item, WHOLE, subject=ALICE, action=READ)
    assert (read.items[0], read.items[2]) == (Evaluation(SUBJECT, ACTION, RESOURCE), EVALUATION)
    assert isinstance(read.items[1], MessageError)
    assert read.items[1].message == message


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"subject": "alice"}, "`subject` must be an object"),
        ({"subject": {"id": "alice"}}, "`subject.type` is missing"),
        ({"action": {}}, "`action.name` is missing"),
        ({"resource": {"type": "x", "id": 5}}, "`resource.id` must be a string"),
        ({"context": []}, "`context` must be an object"),
        ({"options": []}, "`options` must be an object"),
        ({"options": {"evaluations_semantic": 5}}, "`options.evaluations_semantic` must be a string"),
        ({"options": {"evaluations_semantic": "all"}}, "must be one of `execute_all`, `deny_on_first_deny`"),
        ({"options": {"evaluations_semantic": ""}}, "must be one of"),
    ],
)
def test_what_is_wrong_with_all_of_them(top: Any, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        several(WHOLE, **top)


@pytest.mark.parametrize("wrong", [{}, "x", 5, None, True])
def test_the_list_is_a_list(wrong: Any) -> None:
    with pytest.raises(MessageError, match="`evaluations` must be an array"):
        read_evaluations(changed("evaluations", to=wrong))


def test_semantics_and_options_that_are_not_known() -> None:
    for semantic in Semantic:
        assert several({}, **WHOLE, options={"evaluations_semantic": semantic.value, "x": 1}).semantic is semantic
    assert several({}, **WHOLE, options={}).semantic is Semantic.EXECUTE_ALL


def test_the_number_of_items_is_bounded() -> None:
    assert len(several(*[{}] * MAX_EVALUATIONS, **WHOLE).items) == MAX_EVALUATIONS
    with pytest.raises(MessageError, match=f"more than {MAX_EVALUATIONS} elements"):
        several(*[{}] * (MAX_EVALUATIONS + 1), **WHOLE)


# Searches


def test_what_a_search_looks_for_has_no_id() -> None:
    for body in (WHOLE, without("subject", "id"), changed("subject", "id", to=[5])):
        found = read_search(body, Kind.SUBJECT)
        assert found == Search(Kind.SUBJECT, Evaluation(Thing("user", ""), ACTION, RESOURCE, {"time": "now"}), Page())
    assert read_search(without("resource", "id"), Kind.RESOURCE).evaluation.resource == Thing("record", "")
    for body in (WHOLE, without("action"), changed("action", to="x")):
        assert read_search(body, Kind.ACTION).evaluation.action == Act("")


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *((Kind.SUBJECT, path) for path in REQUIRED if path != ("subject", "id")),
        *((Kind.RESOURCE, path) for path in REQUIRED if path != ("resource", "id")),
        *((Kind.ACTION, path) for path in REQUIRED if path[0] != "action"),
    ],
)
def test_what_a_search_requires(kind: Kind, path: tuple[str, ...]) -> None:
    with pytest.raises(MessageError, match=f"^`{'.'.join(path)}` is missing$"):
        read_search(without(*path), kind)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({}, Page()),
        ({"limit": 0}, Page("", 0)),
        ({"token": "t", "limit": 5, "properties": {"x": 1}, "y": 2}, Page("t", 5)),
    ],
)
def test_pages(page: Any, expected: Page) -> None:
    assert read_search(changed("page", to=page), Kind.SUBJECT).page == expected


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (None, "`page` must be an object"),
        ([], "`page` must be an object"),
        ({"limit": -1}, "must not be negative"),
        ({"limit": True}, "`page.limit` must be an integer"),
        ({"limit": 1.5}, "`page.limit` must be an integer"),
        ({"limit": "1"}, "`page.limit` must be an integer"),
        ({"token": 5}, "`page.token` must be a string"),
        ({"properties": []}, "`page.properties` must be an object"),
    ],
)
def test_what_is_no_page(page: Any, message: str) -> None:
    with pytest.raises(MessageError, match=message):
        read_search(changed("page", to=page), Kind.SUBJECT)


def test_requests_that_are_nearly_right_raise_only_our_error() -> None:
    seeds = [
        WHOLE,
        {"subject": ALICE, "action": READ, "evaluations": [{"resource": RECORD}, WHOLE], "options": {}},
        {"subject": {"type": "user"}, "action": READ, "resource": RECORD, "page": {"token": "x", "limit": 1}},
    ]
    words = ["subject", "type", "id", "properties", "evaluations", "options", "evaluations_semantic", "page", "name"]
    readers: list[Callable[[Any], object]] = [read_evaluation, read_evaluations]
    readers += [partial(read_search, kind=kind) for kind in Kind]
    errors = []
    for body in json_mutants(random.Random(20261125), seeds, words, rounds(2_000)):
        errors += [refusal(partial(read, body)) for read in readers]
    assert 1_000 < errors.count(None) < len(errors) - 1_000
    assert all(isinstance(error, MessageError) for error in errors if error is not None)
