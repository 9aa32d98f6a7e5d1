"""`pdp grant`, `pdp revoke` and `pdp context` with a process that keeps its facts."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import run, serving
from http_worlds import configure
from small_world import SmallWorld

OWN = """
@id("callers/administrators") permit (principal, action == Pdp::Action::"administer", resource)
when { principal.way == "loopback" };
"""
READS = ("--action", 'Files::Action::"read"', "--resource", 'Files::File::"plan"')
EVE_READS = (*READS, "--principal", 'User::"zoe"')
GRANT = ("grant", "grant/zoe", "--template", "entitlement/reader", "--principal", 'User::"zoe"', "--resource",
         'Files::Folder::"plans"', "--owner", "ben", "--reason", "audit 7", "--for", "8h")  # fmt: skip


@contextmanager
def keeping(files: SmallWorld, data: Path) -> Iterator[str]:
    """The address of a process that keeps its facts in `data`."""
    with serving("--config", files.config, "--data", data) as process:
        yield _address(process)
        process.terminate()
        assert process.wait(30) == 0


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"  gRPC\s+(\S+)", line):
            for rest in process.stdout:
                if rest.startswith("  principals"):
                    return found[1]
    raise AssertionError("it did not start")


@pytest.fixture
def administered(files: SmallWorld, tmp_path: Path) -> SmallWorld:
    """The small world, where this machine may administer."""
    policies = tmp_path / "callers"
    policies.mkdir()
    (policies / "own.cedar").write_text(OWN)
    configure(files, callers={"policies": str(policies)})
    return files


def entity_file(folder: Path, **attributes: object) -> Path:
    path = folder / "zoe.json"
    path.write_text(json.dumps([{"uid": {"type": "User", "id": "zoe"}, "attrs": attributes, "parents": []}]))
    return path


def test_what_was_granted_and_revoked_outlives_the_process(administered: SmallWorld, tmp_path: Path) -> None:
    data, before = tmp_path / "data", datetime.now(UTC)
    with keeping(administered, data) as address:
        at = ("--address", address)
        assert run("check", *EVE_READS, *at).exit_code == 1
        put = run("context", "put", entity_file(tmp_path, suspended=False), *at)
        assert (put.exit_code, put.stdout) == (0, "1 entities, at revision 2\n")
        granted = run(*GRANT, *at)
        assert re.fullmatch(r"granted until \S+, at revision 3\n", granted.stdout)
        assert run("check", *EVE_READS, *at).exit_code == 0
        then = datetime.now(UTC)
        revoked = run("revoke", "grant/bob-plans", "--source", "security", *at)
        assert revoked.stdout == "revoked, at revision 4\n"
        assert run("check", *READS, "--principal", 'User::"bob"', *at).exit_code == 1

        def told(instant: datetime, *of: str) -> dict[str, object]:
            shown = run("context", "at", instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"), *of, *at)
            assert shown.exit_code == 0, shown.stderr
            found: dict[str, object] = json.loads(shown.stdout)
            return found

        assert told(before - timedelta(days=1), "--grant", "grant/zoe") == {}
        assert told(then, "--grant", "grant/bob-plans")["origin"]["source"] == "files"  # type: ignore[index]  # JSON
        later = told(datetime.now(UTC), "--grant", "grant/bob-plans")
        assert later["origin"]["source"] == "security"  # type: ignore[index]  # JSON
        assert told(then, "--entity", 'User::"zoe"')["entity"]["uid"] == {"type": "User", "id": "zoe"}  # type: ignore[index]  # JSON
        assert told(then, "--posture", 'Device::"laptop"')["posture"]["subject"]["id"] == "laptop"  # type: ignore[index]  # JSON
    with keeping(administered, data) as address:
        at = ("--address", address)
        assert run("check", *EVE_READS, *at).exit_code == 0
        assert run("check", *READS, "--principal", 'User::"bob"', *at).exit_code == 1
        assert run("context", "drop", 'User::"zoe"', *at).exit_code == 0
        assert run("check", *EVE_READS, *at).exit_code == 1


def test_by_default_nobody_may_administer(files: SmallWorld, tmp_path: Path) -> None:
    with keeping(files, tmp_path / "data") as address:
        refused = run("revoke", "grant/bob-plans", "--address", address)
        assert refused.exit_code == 2
        assert "this caller may not" in refused.stderr
        assert "callers.policies" in refused.stderr
        assert run("check", *READS, "--principal", 'User::"bob"', "--address", address).exit_code == 0


def test_what_is_refused_is_told(administered: SmallWorld, tmp_path: Path) -> None:
    with keeping(administered, tmp_path / "data") as address:
        for words, message in (
            (("context", "put", entity_file(tmp_path, suspended="no")), "suspended"),
            (("revoke", "grant/none"), "there is no grant"),
            ((*GRANT[:-1], "never"), "no duration"),
            ((*GRANT[:-1], "-1h"), "over before it begins"),
            (("context", "at", "2026-03-02T14:03:00Z"), "name one thing"),
            (("context", "at", "yesterday", "--grant", "grant/x"), "yesterday"),
        ):
            refused = run(*words, "--address", address)
            assert refused.exit_code == 2
            assert message in refused.stderr


def test_a_folder_in_use_stops_a_second_process(administered: SmallWorld, tmp_path: Path) -> None:
    with keeping(administered, tmp_path / "data"):
        second = run("serve", "--config", administered.config, "--data", tmp_path / "data")
        assert second.exit_code == 2
        assert "another decision point has this folder open" in second.stderr


def test_nobody_there(tmp_path: Path) -> None:
    refused = run("revoke", "grant/x", "--address", f"unix:{tmp_path / 'none'}", "--timeout", "0.5")
    assert refused.exit_code == 2
    assert "no answer from" in refused.stderr
