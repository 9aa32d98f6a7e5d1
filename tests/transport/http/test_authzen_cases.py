"""AuthZEN's own cases over real HTTP: the certification scenario and the to-do scenario (../shared/data/authzen)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from http_worlds import running, write_records_world, write_todo_world
from shared_data import shared_data

PATH = "/tenant1"

LEAST = {"/access/v1/search/subject", "/access/v1/search/resource", "/access/v1/search/action"}
"""Endpoints whose expected results are the least that must be found."""

EXACTLY_EMPTY = {"c-4-6-1", "c-4-6-2"}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(write_records_world(tmp_path_factory.mktemp("records") / "world")) as (_, client):
        yield client


@pytest.fixture(scope="module")
def todo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(write_todo_world(tmp_path_factory.mktemp("todo") / "world")) as (_, client):
        yield client


def expected(case: dict[str, Any], response: httpx.Response) -> bool:
    """Whether a response is as the case says."""
    if response.status_code != case["expect_status"] or response.headers["content-type"] != "application/json":
        return False
    body, wanted = response.json(), case["expect_body"]
    if response.status_code != 200:
        return "decision" not in body and isinstance(body["error"]["message"], str)
    if case["endpoint"] in LEAST:
        found, least = body["results"], (wanted or {}).get("results", [])
        has_page = isinstance(body["page"]["next_token"], str)
        return has_page and (found == [] if case["id"] in EXACTLY_EMPTY else all(each in found for each in least))
    asked = case["request"].get("evaluations")
    decisions = body["evaluations"] if asked else [body]
    if not all(isinstance(each["decision"], bool) and isinstance(each["context"], dict) for each in decisions):
        return False
    if case["id"] == "c-3-4-1":
        wanted = {"evaluations": [{"decision": True}, {"decision": False}]}
    if wanted is None:
        return len(decisions) == len(asked)
    least_ = wanted["evaluations"] if asked else [wanted]
    return [each["decision"] for each in decisions] == [each["decision"] for each in least_]


def test_every_certification_case(records: httpx.Client) -> None:
    cases = json.loads(shared_data("authzen/cert_cases.json").read_text("utf-8"))["cases"]
    assert len(cases) == 50
    failures = {}
    token = None
    for case in cases:
        if case["id"] == "c-4-5-2":
            case["request"]["page"]["token"] = token
        response = records.post(PATH + case["endpoint"], json=case["request"])
        if case["id"] == "c-4-5-1":
            token = response.json()["page"]["next_token"]
            assert token != ""
        if not expected(case, response):
            failures[f"{case['id']} {case['label']}"] = (response.status_code, response.text)
    assert failures == {}


def test_every_case_of_the_todo_list(todo: httpx.Client) -> None:
    cases = json.loads(shared_data("authzen/todo/decisions-authorization-api-1_0-02.json").read_text("utf-8"))
    wrong = []
    for case in cases["evaluation"]:
        response = todo.post(f"{PATH}/access/v1/evaluation", json=case["request"])
        if response.status_code != 200 or response.json()["decision"] is not case["expected"]:
            wrong.append((case, response.text))
    for case in cases["evaluations"]:
        response = todo.post(f"{PATH}/access/v1/evaluations", json=case["request"])
        decisions = [{"decision": each["decision"]} for each in response.json()["evaluations"]]
        if decisions != case["expected"]:
            wrong.append((case, response.text))
    assert wrong == []
    assert (len(cases["evaluation"]), len(cases["evaluations"])) == (40, 3)
