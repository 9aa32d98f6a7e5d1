"""`pdp check` against a decision point that runs."""

import json
from pathlib import Path

import pytest
from certificates import authority
from command_line import run
from engine_worlds import NOW
from small_world import token
from typer.testing import Result

from pdp.app import App

ASKED = ("--action", 'Files::Action::"read"', "--resource", 'Files::File::"plan"')


def check(address: str, *words: str | Path, who: str | None = "ana", **env: str) -> Result:
    principal = () if who is None else ("--principal", f'User::"{who}"')
    options = words if "--action" in words else (*ASKED, *words)
    return run("check", "--address", address, *principal, *options, env=env)


def test_an_allow(address: str, served: App) -> None:
    result = check(address)
    assert (result.exit_code, result.stderr) == (0, "")
    assert served.world is not None
    lines = result.stdout.splitlines()
    assert lines[:-1] == [
        "ALLOW  allowed: readers read",
        "  permit        files/readers-read",
        "  obligation    mask: margin  (files/readers-read)",
        "  obligation    header: x-reader=yes  (files/readers-read)",
        f"  policies      revision {served.world.policy_revision}",
        "  facts         revision 1",
    ]
    assert lines[-1].startswith("  request       ")


def test_a_deny(address: str) -> None:
    result = check(address, who="eve")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines()[:2] == [
        "DENY  forbidden: suspended people may do nothing",
        "  forbid        guardrail/suspended",
    ]


def test_an_error_of_a_policy(address: str) -> None:
    result = check(address, "--action", 'Files::Action::"read"', "--resource", 'Files::File::"gone"')
    assert result.exit_code == 1
    id = "guardrail/secret-needs-encrypted-device"
    assert result.stdout.startswith(f"DENY  policy_error: a guardrail could not be evaluated: {id}\n")
    assert f"  error         {id}: entity_missing: " in result.stdout


def test_a_device_and_a_context_are_sent(address: str) -> None:
    secret = ("--action", 'Files::Action::"read"', "--resource", 'Files::File::"secret"')
    assert check(address, *secret).exit_code == 1
    allowed = check(address, *secret, "--device", 'Device::"laptop"')
    assert allowed.exit_code == 0
    assert "  valid until   2026-03-02T10:10:00.000Z" in allowed.stdout
    assert check(address, "--context", '{"region": "eu"}').exit_code == 0
    misfit = check(address, "--context", '{"region": 1}')
    assert misfit.exit_code == 1
    assert misfit.stdout.startswith("DENY  invalid_request: ")


def test_a_grant_shows_its_end(address: str) -> None:
    result = check(address, who="bob")
    assert result.exit_code == 0
    assert "  permit        grant/bob-plans\n" in result.stdout
    assert "  valid until   2026-03-02T11:00:00.000Z\n" in result.stdout


def test_a_token_by_option_by_file_and_by_environment(address: str, tmp_path: Path) -> None:
    good, file = token("ana", NOW), tmp_path / "token"
    file.write_text(good + "\n")
    assert check(address, "--token", good, who=None).exit_code == 0
    assert check(address, "--token-file", file, who=None).exit_code == 0
    assert check(address, who=None, PDP_TOKEN=good).exit_code == 0
    bad = check(address, "--token", token("ana", NOW - 3_600_000), who=None)
    assert bad.exit_code == 1
    assert bad.stdout.startswith("DENY  unauthenticated: the token has expired\n")


@pytest.mark.parametrize(("demanded", "code"), [("1", 0), ("2", 1)])
def test_a_revision_may_be_demanded(address: str, demanded: str, code: int) -> None:
    result = check(address, "--min-revision", demanded)
    assert result.exit_code == code
    assert ("context_behind" in result.stdout) == (code == 1)


def test_json(address: str, served: App) -> None:
    allowed, denied = check(address, "--json"), check(address, "--json", who="eve")
    assert (allowed.exit_code, denied.exit_code) == (0, 1)
    answer = json.loads(allowed.stdout)
    assert answer.pop("request_id")
    assert served.world is not None
    assert answer == {
        "decision": "allow",
        "reason": "allowed",
        "message": "readers read",
        "policies": [
            {
                "id": "files/readers-read",
                "effect": "permit",
                "annotations": {
                    "id": "files/readers-read",
                    "reason": "readers read",
                    "obligation": "mask:margin; header:x-reader=yes",
                },
            }
        ],
        "errors": [],
        "obligations": [
            {"kind": "mask", "argument": "margin", "policy": "files/readers-read"},
            {"kind": "header", "argument": "x-reader=yes", "policy": "files/readers-read"},
        ],
        "policy_revision": served.world.policy_revision,
        "context_revision": 1,
        "valid_until": None,
    }
    assert json.loads(denied.stdout)["decision"] == "deny"


def test_lines_are_not_broken_on_a_narrow_terminal(address: str) -> None:
    assert check(address, COLUMNS="20").stdout.splitlines()[0] == "ALLOW  allowed: readers read"


def test_a_fault_in_an_option_is_shown_where_it_is(address: str) -> None:
    result = run("check", "--address", address, "--principal", "User::ana", *ASKED)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("--principal:1:10: expected `::`")
    assert "\n1 | User::ana\n" in result.stderr
    assert "  help: an entity is written" in result.stderr


def test_files_for_tls_belong_together(address: str, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca", "cert", "key")}
    for path in files.values():
        path.write_text("x")
    lone = check(address, "--cert", files["cert"])
    assert (lone.exit_code, "`--cert` and `--key`" in lone.stderr) == (2, True)
    untrusted = check(address, "--cert", files["cert"], "--key", files["key"])
    assert (untrusted.exit_code, "without `--tls-ca`" in untrusted.stderr) == (2, True)
    missing = check(address, "--tls-ca", tmp_path / "none")
    assert (missing.exit_code, "cannot read the file" in missing.stderr) == (2, True)


def test_tls_where_the_server_speaks_none_is_no_answer(address: str, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority("servers").pem)
    result = check(address, "--tls-ca", trusted)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "do both speak TLS, or neither?" in result.stderr
