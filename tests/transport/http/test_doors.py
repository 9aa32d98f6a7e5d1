"""The doors over real HTTP: which of them there are, and what holds for all."""

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_worlds import NOW
from fuzzing import rounds
from http_worlds import (
    AUTHZEN,
    configure,
    running,
    write_cluster_world,
    write_records_world,
)
from small_world import SmallWorld, token, write_small_world

from pdp.app import App
from pdp.transport.http.endpoint import MAX_BODY

EVALUATION = "/tenant1/access/v1/evaluation"
AUTHZEN_PATHS = {
    EVALUATION: "POST",
    "/tenant1/access/v1/evaluations": "POST",
    "/tenant1/access/v1/search/subject": "POST",
    "/tenant1/access/v1/search/resource": "POST",
    "/tenant1/access/v1/search/action": "POST",
    "/.well-known/authzen-configuration/tenant1": "GET",
}
PROXY_PATHS = {"/forward-auth/traefik": "GET", "/forward-auth/nginx": "GET"}
CLUSTER_PATHS = {"/kubernetes/authorize": "POST"}
DOORS = {"authzen": AUTHZEN_PATHS, "forward_auth": PROXY_PATHS, "kubernetes": CLUSTER_PATHS}
SECTIONS: dict[str, Any] = {"authzen": {"url": AUTHZEN["url"]}, "forward_auth": {}, "kubernetes": {}}

QUESTION = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "record-1"},
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, httpx.Client]]:
    """The world of records with every door."""
    world = write_records_world(tmp_path_factory.mktemp("records") / "world")
    configure(world, forward_auth={}, kubernetes={})
    with running(world) as served:
        yield served


@pytest.mark.parametrize("door", [None, *DOORS])
def test_only_what_is_configured_is_served(tmp_path: Path, door: str | None) -> None:
    world = write_small_world(tmp_path / "world")
    if door is not None:
        configure(world, **{door: SECTIONS[door]})
    with running(world) as (_, client):
        for name, paths in DOORS.items():
            for path, method in paths.items():
                status = client.request(method, path).status_code
                assert (status == 404) == (name != door), path
        assert client.get("/healthz").status_code == 200


def test_other_methods_and_other_paths_are_not_served(records: tuple[App, httpx.Client]) -> None:
    _, client = records
    for path, method in (AUTHZEN_PATHS | PROXY_PATHS | CLUSTER_PATHS).items():
        for other in {"GET", "POST", "PUT", "DELETE", "OPTIONS"} - {method}:
            assert client.request(other, path).status_code == 405, (other, path)
        # No redirect: it would be made from the Host header.
        for odd in (f"{path}/", f"{path}//", f"/{path}", path.upper(), f"{path}/x", f"{path}%2f"):
            assert client.request(method, odd).status_code == 404, odd
    assert client.post("/access/v1/evaluation", json=QUESTION).status_code == 404, "below the path of its address alone"


def test_the_metadata_lists_what_is_served_and_nobody_can_move_it(records: tuple[App, httpx.Client]) -> None:
    _, client = records
    path = "/.well-known/authzen-configuration/tenant1"
    answers = [
        client.get(path, headers=headers)
        for headers in (
            {},
            {"host": "evil.example"},
            {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "forwarded": "host=evil.example"},
        )
    ]
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].headers["content-type"] == "application/json"
    document = answers[0].json()
    assert document.pop("policy_decision_point") == AUTHZEN["url"]
    assert len(document) == 5
    for name, url in document.items():
        assert url.startswith("https://pdp.example/tenant1/access/v1/"), name
        assert client.post(httpx.URL(url).path, json=QUESTION).status_code == 200, name


def test_decisions_are_json_and_come_with_the_callers_id(records: tuple[App, httpx.Client]) -> None:
    _, client = records
    for id in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any text: {}", "x" * 300):
        answer = client.post(EVALUATION, json=QUESTION, headers={"x-request-id": id})
        assert (answer.status_code, answer.json()["decision"]) == (200, True)
        assert answer.headers["x-request-id"] == id
    assert "x-request-id" not in client.post(EVALUATION, json=QUESTION).headers
    bad = client.post(EVALUATION, content=b"{", headers={"x-request-id": "7", "content-type": "application/json"})
    assert (bad.status_code, bad.headers["x-request-id"], bad.headers["content-type"]) == (400, "7", "application/json")


def test_the_same_question_has_the_same_answer(records: tuple[App, httpx.Client]) -> None:
    _, client = records
    assert {client.post(EVALUATION, json=QUESTION).json()["decision"] for _ in range(10)} == {True}


def test_nobody_can_say_where_they_are(tmp_path: Path) -> None:
    # The server of HTTP by itself would believe X-Forwarded-For from this machine, and take a client far away for it.
    world = write_records_world(tmp_path / "world")
    with running(world) as (_, client):
        for value in ("10.0.0.9", "10.0.0.9, 127.0.0.1", "::1"):
            answer = client.post(EVALUATION, json=QUESTION, headers={"x-forwarded-for": value})
            assert answer.json()["decision"] is True
    world.replace("pdp.yaml", "accept_asserted: true", "accept_asserted: false")
    with running(world) as (_, client):
        for headers in ({}, {"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
            answer = client.post(EVALUATION, json=QUESTION, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="pdp"')


def test_what_is_too_large_changes_nothing(records: tuple[App, httpx.Client]) -> None:
    app, client = records
    padded = json.dumps({**QUESTION, "padding": "x" * MAX_BODY}).encode()
    headers = {"content-type": "application/json"}
    assert client.post(EVALUATION, content=padded, headers=headers).status_code == 413
    assert client.post("/tenant1/access/v1/search/subject", content=padded, headers=headers).status_code == 413
    status = client.post("/kubernetes/authorize", content=padded, headers=headers).json()["status"]
    assert (status["allowed"], status["denied"]) == (False, True)
    assert client.post(EVALUATION, json=QUESTION).json()["decision"] is True
    assert app.revisions() is not None


def test_answers_are_counted_by_door(tmp_path: Path) -> None:
    world = write_records_world(tmp_path / "world")
    configure(world, forward_auth={}, kubernetes={})
    with running(world) as (_, client):
        client.post(EVALUATION, json=QUESTION)
        client.post(EVALUATION, json={})
        client.post("/tenant1/access/v1/evaluations", json={**QUESTION, "evaluations": [{}, {}, {"action": 1}]})
        client.post("/tenant1/access/v1/search/action", json=QUESTION)
        client.get("/forward-auth/nginx")
        client.post("/kubernetes/authorize")
        text = client.get("/metrics").text
    for series in (
        'pdp_decisions_total{decision="allow",door="authzen",reason="allowed"} 1.0',
        'pdp_decisions_total{decision="deny",door="authzen",reason="invalid_request"} 1.0',
        'pdp_decisions_total{decision="allow",door="authzen_batch",reason="allowed"} 2.0',
        'pdp_decisions_total{decision="deny",door="authzen_batch",reason="invalid_request"} 1.0',
        'pdp_decisions_total{decision="allow",door="authzen_search",reason="allowed"} 1.0',
        'pdp_decisions_total{decision="deny",door="forward_auth",reason="invalid_request"} 1.0',
        'pdp_decisions_total{decision="deny",door="kubernetes",reason="invalid_request"} 1.0',
        'pdp_decision_seconds_count{door="authzen_batch"} 3.0',
    ):
        assert series in text
    assert "pdp_unexpected_errors_total{" not in text


# Proxies


def proxied(path: str = "/files/plan", bearer: str | None = None, **headers: str) -> dict[str, str]:
    said = {
        "x-original-method": "GET",
        "x-original-host": "api.example",
        "x-original-uri": path,
        "x-original-ip": "192.0.2.7",
        "x-original-scheme": "https",
        "x-original-client": "cert=",
    }
    return {**said, **({} if bearer is None else {"authorization": f"Bearer {bearer}"}), **headers}


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    """The small world with doors for proxies."""
    world = write_small_world(tmp_path / "world")
    configure(world, forward_auth={"headers": ["x-reader"]})
    return world


def test_proxies_are_answered_by_the_loaded_routes_and_policies(files: SmallWorld) -> None:
    ana = token("ana", NOW)
    with running(files) as (app, client):
        path = "/forward-auth/nginx"
        allowed = client.get(path, headers=proxied(bearer=ana))
        assert (allowed.status_code, allowed.content) == (200, b"")
        assert allowed.headers["x-pdp-principal"] == 'User::"ana"'
        assert allowed.headers["x-pdp-obligations"] == "mask:margin"
        assert allowed.headers["x-reader"] == "yes"
        assert client.get(path, headers=proxied("/nothing", ana)).status_code == 403
        assert client.get(path, headers=proxied("//files/plan", ana)).status_code == 403
        assert client.get(path, headers=proxied("/files/plan", token("eve", NOW))).status_code == 403
        anonymous = client.get(path, headers=proxied())
        assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, 'Bearer realm="pdp"')
        assert client.get(path, headers=proxied(bearer=ana) | {"x-reader": "no"}).status_code == 403
        # A new inventory is in place with the next request.
        files.replace("routes.yaml", "/files/{id}", "/papers/{id}")
        app.reload()
        assert client.get(path, headers=proxied(bearer=ana)).status_code == 403
        assert client.get(path, headers=proxied("/papers/plan", ana)).status_code == 200


def test_traefik_asks_in_its_own_words(files: SmallWorld) -> None:
    said = {
        "x-forwarded-method": "GET",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "api.example",
        "x-forwarded-uri": "/files/plan?x=1",
        "x-forwarded-for": "192.0.2.7",
        "authorization": f"Bearer {token('ana', NOW)}",
    }
    with running(files) as (_, client):
        assert client.get("/forward-auth/traefik", headers=said).status_code == 200
        assert client.get("/forward-auth/traefik", headers=said | {"x-forwarded-method": "POST"}).status_code == 403
        assert client.get("/forward-auth/nginx", headers=said).status_code == 403


def test_a_policys_header_that_no_proxy_was_told_of_is_a_deny(files: SmallWorld) -> None:
    files.replace("pdp.yaml", '["x-reader"]', "[]")
    with running(files) as (_, client):
        answer = client.get("/forward-auth/nginx", headers=proxied(bearer=token("ana", NOW)))
        assert (answer.status_code, answer.json()["reason"]) == (403, "policy_error")


def test_a_failing_engine_answers_403(files: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    with running(files) as (_, client):
        monkeypatch.setattr("pdp.transport.http.forward_auth.read_question", fail)
        answer = client.get("/forward-auth/nginx", headers=proxied(bearer=token("ana", NOW)))
        assert (answer.status_code, "secret" in answer.text) == (403, False)
        assert 'pdp_unexpected_errors_total{place="forward_auth"} 1.0' in client.get("/metrics").text


# Kubernetes


def test_a_review_as_the_api_server_sends_it(tmp_path: Path) -> None:
    review = (
        b'{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"creationTimestamp":null},'
        b'"spec":{"resourceAttributes":{"namespace":"apps","verb":"list","version":"v1","resource":"pods",'
        b'"labelSelector":{"requirements":[{"key":"app","operator":"In","values":["web"]}]}},'
        b'"user":"ana","groups":["viewers","system:authenticated"],"uid":"3f",'
        b'"extra":{"authentication.kubernetes.io/credential-id":["JTI=1"]}},"status":{"allowed":false}}'
    )
    with running(write_cluster_world(tmp_path / "world")) as (_, client):
        answer = client.post(
            "/kubernetes/authorize?timeout=30s", content=review, headers={"content-type": "application/json"}
        )
        assert answer.json() == {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "status": {"allowed": True, "reason": "viewers read (k8s/viewers-read-all-but-secrets)"},
        }
        denied = client.post(
            "/kubernetes/authorize",
            content=review.replace(b'"pods"', b'"secrets"'),
            headers={"content-type": "application/json"},
        ).json()["status"]
        assert (denied["allowed"], denied["denied"]) == (False, True)


def test_a_review_of_a_request_with_selectors_as_the_api_server_sends_it(tmp_path: Path) -> None:
    def review(namespace: str, selectors: bytes) -> bytes:
        return (
            b'{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"creationTimestamp":null},'
            b'"spec":{"resourceAttributes":{"namespace":"%s","verb":"list","version":"v1","resource":"configmaps"%s},'
            b'"user":"ana","groups":["system:authenticated"]},"status":{"allowed":false}}'
        ) % (namespace.encode(), selectors)

    own = b'"requirements":[{"key":"owner","operator":"In","values":["ana"]}]'
    field = b',"fieldSelector":{"requirements":[{"key":"metadata.name","operator":"In","values":["a"]}]}'
    asked = {
        review("apps", b',"labelSelector":{%s}' % own): True,
        review("apps", field + b',"labelSelector":{%s}' % own): True,
        review("apps", b',"labelSelector":{"rawSelector":"owner=ana"}'): False,
        review("apps", field): False,
        review("apps", b""): False,
    }
    with running(write_cluster_world(tmp_path / "world")) as (_, client):
        for body, allowed in asked.items():
            answer = client.post(
                "/kubernetes/authorize?timeout=10s", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 200
            assert answer.json()["status"]["allowed"] is allowed, body


# Whatever comes


def test_bytes_that_are_no_http_reach_no_door(records: tuple[App, httpx.Client]) -> None:
    _, client = records
    before = [line for line in client.get("/metrics").text.splitlines() if line.startswith("pdp_decisions_total")]
    source = random.Random(20261125)
    request = f"POST {EVALUATION} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\r\n".encode()
    for number in range(rounds(100)):
        data = source.randbytes(source.randrange(200))
        if number % 2:
            cut = source.randrange(len(request))
            data = request[:cut] + source.randbytes(4) + request[cut + 4 :]
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
            assert b'"decision": true' not in answer
            assert not answer or answer.split(b" ", 2)[1] in {b"200", b"400", b"404", b"405"}, (data, answer)
    after = [line for line in client.get("/metrics").text.splitlines() if line.startswith("pdp_decisions_total")]
    # What got as far as a door was refused there.
    assert [line for line in after if "allow" in line] == [line for line in before if "allow" in line]
    assert "pdp_unexpected_errors_total{" not in client.get("/metrics").text


@pytest.mark.parametrize("path", list(AUTHZEN_PATHS)[:5])
def test_deep_and_odd_bodies_get_an_error_in_the_doors_own_form(records: tuple[App, httpx.Client], path: str) -> None:
    _, client = records
    for body in (b"[" * 500_000, b'{"subject":' * 50_000, b"\x00", b"\xff\xfe{}", b'{"a":1e999}', b"null"):
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, set(answer.json())) == (400, {"error"})
