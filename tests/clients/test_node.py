"""The service asked by a client in another language: `node/client.js`, with Node's own gRPC and protobuf libraries."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from command_line import serving
from small_world import SmallWorld, write_small_world

from pdp.transport.grpc.gen.v1 import decision_pb2 as pb

pytestmark = pytest.mark.node

CLIENT: Final = Path(__file__).parent / "node"
PATIENCE: Final = 120


def uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def question(**fields: Any) -> dict[str, Any]:
    """May ana read the plan? With these fields on top; None takes one away."""
    whole = {
        "principal": uid("User", "ana"),
        "action": uid("Files::Action", "read"),
        "resource": uid("Files::File", "plan"),
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


@pytest.fixture(scope="module")
def node() -> str:
    """The program. Without it, nothing is installed or started."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("no Node: `node` and `npm` are not among the programs")
    return found


@pytest.fixture(scope="module")
def modules(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries of the lock file, installed for this run."""
    directory = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENT / name, directory)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return directory / "node_modules"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    """The files that are served."""
    return write_small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def address(node: str, world: SmallWorld) -> Iterator[str]:
    """Where `pdp serve` listens for gRPC, with the small world, explaining."""
    world.replace("pdp.yaml", "grpc: {", "grpc: {explain: true, ")
    with serving("--config", world.config) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if found := re.search(r"gRPC\s+(127\.0\.0\.1:\d+)", line):
                yield found[1]
                return
        raise AssertionError("".join(shown))


@pytest.fixture(scope="module")
def answers(node: str, modules: Path, address: str, world: SmallWorld) -> dict[str, Any]:
    """What the client printed, for these questions. When it watches, bob's grant is revoked."""
    region = {"fields": {"region": {"string_value": "eu"}}}
    large = {"fields": {"until": {"long_value": str(2**63 - 1)}}}
    questions = {
        "check": question(request_id="check", context=region),
        "batch": {
            "defaults": question(principal=None, context=region),
            "items": [
                {"principal": uid("User", "ana"), "request_id": "b0"},
                {"principal": uid("User", "eve"), "request_id": "b1"},
                {"request_id": "b2"},
                {"principal": uid("not a type", "x"), "request_id": "b3"},
                {"principal": uid("User", "ana"), "context": large, "request_id": "b4"},
                {"principal": uid("User", "bob"), "request_id": "b5"},
            ],
        },
        "stream": [question(request_id="s0"), "ffff", *(question(request_id=f"s{number}") for number in range(2, 100))],
        "watch": {"entities": [uid("User", "ana"), uid("User", "bob")]},
    }
    with subprocess.Popen(
        [node, str(CLIENT / "client.js"), address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "NODE_PATH": str(modules)},
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stderr is not None
        client.stdin.write(json.dumps(questions))
        client.stdin.close()
        client.stdin = None  # there is no more to say
        shown = client.stderr.readline()
        if shown == "watching\n":
            world.write("context/grants.json", "[]")
        said, more = client.communicate(timeout=PATIENCE)
        assert client.returncode == 0, shown + more
    answers: dict[str, Any] = json.loads(said)
    return answers


def test_check(answers: dict[str, Any]) -> None:
    answer = answers["check"]
    assert (answer["decision"], answer["reason_class"], answer["request_id"]) == ("DECISION_ALLOW", "allowed", "check")
    assert answer["message"] == "readers read"
    (policy,) = answer["policies"]
    assert (policy["id"], policy["effect"]) == ("files/readers-read", "EFFECT_PERMIT")
    assert policy["annotations"]["reason"] == "readers read"
    assert answer["obligations"][0] == {"kind": "mask", "argument": "margin", "policy_id": "files/readers-read"}
    assert re.fullmatch("[0-9a-f]{64}", answer["policy_revision"])
    assert answer["context_revision"] == "1"


def test_check_batch(answers: dict[str, Any]) -> None:
    assert [(answer["request_id"], answer["decision"], answer["reason_class"]) for answer in answers["batch"]] == [
        ("b0", "DECISION_ALLOW", "allowed"),
        ("b1", "DECISION_DENY", "forbidden"),
        ("b2", "DECISION_DENY", "unauthenticated"),
        ("b3", "DECISION_DENY", "invalid_request"),
        ("b4", "DECISION_DENY", "invalid_request"),
        ("b5", "DECISION_ALLOW", "allowed"),
    ]


def test_check_stream(answers: dict[str, Any]) -> None:
    first, unreadable, *rest = answers["stream"]
    assert (unreadable["decision"], unreadable["reason_class"]) == ("DECISION_DENY", "invalid_request")
    assert [answer["request_id"] for answer in (first, *rest)] == ["s0", *(f"s{number}" for number in range(2, 100))]
    assert {answer["decision"] for answer in (first, *rest)} == {"DECISION_ALLOW"}


def test_explain(answers: dict[str, Any]) -> None:
    explained = answers["explain"]
    assert explained["answer"] == answers["check"]
    assert [policy["outcome"] for policy in explained["policies"]] == [
        "OUTCOME_SATISFIED",
        "OUTCOME_NOT_SATISFIED",
        "OUTCOME_NOT_SATISFIED",
    ]
    assert explained["policies"][1]["part"]["text"] == "resource.secret"
    assert explained["context"]["fields"]["region"] == {"string_value": "eu"}


def test_watch(answers: dict[str, Any]) -> None:
    first, second, again = answers["watch"]
    assert first["everything"] is True
    assert (first["policy_revision"], first["context_revision"]) == (answers["check"]["policy_revision"], "1")
    # Of the two that are watched, bob alone is concerned: his grant has gone.
    assert second["entities"] == [uid("User", "bob")]
    assert (second.get("everything", False), second["context_revision"]) == (False, "2")
    assert again["entities"] == [uid("User", "bob")]
    assert again["place"] == second["place"]


def test_health(answers: dict[str, Any]) -> None:
    assert answers["health"] == "SERVING"


def test_reflection(answers: dict[str, Any]) -> None:
    assert {"pdp.v1.DecisionService", "envoy.service.auth.v3.Authorization", "grpc.health.v1.Health"} <= {
        *answers["services"]
    }
    service = pb.DESCRIPTOR.services_by_name["DecisionService"]
    assert sorted(answers["methods"]) == sorted(method.name for method in service.methods)
    alike = ("decision", "reason_class", "message", "policy_revision", "obligations", "request_id")
    assert {name: answers["check_by_reflection"][name] for name in alike} == {
        name: answers["check"][name] for name in alike
    }
