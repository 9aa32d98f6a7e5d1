"""`pdp serve` as a process: what it prints, that the questions it suggests are answered as it says, and its end."""

import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import authority, server_certificate
from command_line import PROGRAM, run, serving, spawn
from small_world import SmallWorld

from pdp import __version__

ASKED = ("--action", 'Files::Action::"read"', "--resource", 'Files::File::"plan"')


def read_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """The lines up to one that begins with `last`; fails if the output ends before."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith(last):
            return lines
    raise AssertionError("\n".join(lines))


@pytest.fixture
def process(files: SmallWorld) -> Iterator[subprocess.Popen[str]]:
    """A process that serves the small world."""
    with serving("--config", files.config) as made:
        yield made


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    """End it and give what it wrote to standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    return errors


def test_it_says_what_it_serves_and_the_questions_that_it_suggests_are_answered_so(
    process: subprocess.Popen[str],
) -> None:
    lines = read_until(process, "pdp check") + read_until(process, "pdp check")
    assert lines[0] == f"pdp {__version__}"
    shown = {line[2:16].strip(): line[16:] for line in lines[1:10]}
    assert re.fullmatch(r"6, revision [0-9a-f]{64}", shown["policies"])
    assert (shown["templates"], shown["grants"]) == ("1", "1")
    assert shown["entities"] == "14, facts at revision 1"
    assert re.fullmatch(
        r"127\.0\.0\.1:\d+  pdp\.v1\.DecisionService, envoy\.service\.auth\.v3\.Authorization", shown["gRPC"]
    )
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+  /metrics /healthz /readyz", shown["HTTP"])
    assert shown["transport"] == "plain, for this machine only"
    assert shown["callers"] == "those on this machine, and nobody else"
    assert shown["principals"] == "by token, or named by a caller on this machine"
    assert lines[10:12] == ["Questions to ask it from another terminal:", "# allow: readers read"]
    assert lines[13] == "# deny: suspended people may do nothing"
    for line, code, decision in ((lines[12], 0, "ALLOW"), (lines[14], 1, "DENY")):
        words = shlex.split(line)
        assert words[:2] == ["pdp", "check"]
        answer = spawn(*words[1:])
        assert (answer.returncode, answer.stderr) == (code, "")
        assert answer.stdout.startswith(decision)
    assert "info load" in stop(process)


def test_a_suggested_line_is_for_a_shell(process: subprocess.Popen[str]) -> None:
    line = read_until(process, "pdp check")[-1]
    program = shlex.join(PROGRAM)
    done = subprocess.run(
        ["sh", "-c", line.replace("pdp", program, 1)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.startswith("ALLOW")
    stop(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(process: subprocess.Popen[str], number: signal.Signals) -> None:
    read_until(process, "pdp check")
    assert "Traceback" not in stop(process, number)


def test_sighup_reloads_and_a_fault_does_not_end_it(files: SmallWorld, process: subprocess.Popen[str]) -> None:
    line = read_until(process, "pdp check")[-1]
    read_until(process, "pdp check")
    files.replace("teams/files/files.cedar", 'action == Files::Action::"write"', 'action = Files::Action::"write"')
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    told = ""
    while "load" not in told or "error" not in told:
        told = process.stderr.readline()
        assert told, "it ended"
    assert "files.cedar" in told
    assert spawn(*shlex.split(line)[1:]).returncode == 0
    stop(process)


def test_it_serves_the_folder_policies_and_other_addresses_if_told_so(
    files: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files.root.rename(tmp_path / "policies")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving("--grpc", f"unix:{tmp_path}/socket", "--http", f"localhost:{port}") as process:
        lines = read_until(process, "pdp check")
        assert f"  gRPC          unix:{tmp_path}/socket" in "\n".join(lines)
        assert f"  HTTP          http://localhost:{port}  " in "\n".join(lines)
        assert spawn(*shlex.split(lines[-1])[1:]).returncode == 0
        stop(process)


def test_without_asserted_principals_it_suggests_nothing_and_says_so(files: SmallWorld) -> None:
    files.replace("pdp.yaml", "accept_asserted: true", "accept_asserted: false")
    with serving("--config", files.config) as process:
        lines = read_until(process, "  principals")
        assert lines[-1] == "  principals    by token alone"
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
        assert (process.returncode, rest) == (0, "")


@pytest.mark.parametrize(
    ("option", "address"),
    [("--grpc", "0.0.0.0:0"), ("--http", "0.0.0.0:0"), ("--grpc", "[::]:0"), ("--http", "[::]:0")],
)
def test_plain_text_for_other_machines_is_refused_unless_it_is_asked_for_and_then_pointed_out(
    files: SmallWorld, option: str, address: str
) -> None:
    if ":" in address[:-2] and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    section, other = ("grpc", "HTTP plain") if option == "--grpc" else ("http", "gRPC plain")
    refused = run("serve", "--config", files.config, option, address)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "is reached by other machines" in refused.stderr
    files.replace(
        "pdp.yaml", f'{section}: {{listen: "127.0.0.1:0"', f'{section}: {{insecure: true, listen: "127.0.0.1:0"'
    )
    with serving("--config", files.config, option, address) as process:
        line = read_until(process, "  transport")[-1]
        assert "plain, AND REACHABLE FROM OTHER MACHINES" in line
        assert f"{other}, for this machine only" in line
        stop(process)


def test_it_says_who_is_let_in_over_tls(files: SmallWorld) -> None:
    server_certificate().write(files.root / "tls", "server")
    (files.root / "tls" / "clients.pem").write_bytes(authority("clients").pem)
    callers = files.root.parent / "callers"
    callers.mkdir()
    (callers / "a.cedar").write_text('@id("callers/a") permit (principal, action, resource);')
    tls = "tls: {certificate: tls/server.pem, key: tls/server.key, client_ca: tls/clients.pem"
    files.replace("pdp.yaml", 'grpc: {listen: "127.0.0.1:0"}', f'grpc: {{listen: "0.0.0.0:0", {tls}}}}}')
    optional = f'http: {{listen: "127.0.0.1:0", {tls}, require_client_certificate: false}}}}'
    files.replace("pdp.yaml", 'http: {listen: "127.0.0.1:0"}', f"{optional}\ncallers: {{policies: {callers}}}")
    with serving("--config", files.config) as process:
        lines = read_until(process, "  principals")
        text = "\n".join(lines)
        assert "  HTTP          https://127.0.0.1:" in text
        assert (
            "  transport     gRPC mTLS, with callers with a certificate of clients.pem; "
            "HTTP mTLS, with callers with or without a certificate of clients.pem" in text
        )
        assert f"  callers       those on this machine, and whom 1 policy in {callers} let in" in text
        port = re.search(r"gRPC +0\.0\.0\.0:(\d+)", text)
        assert port is not None
        client = authority("clients").issue("envoy").write(files.root, "client")
        trusted = files.write("servers.pem", authority("servers").pem.decode())
        words = ("--tls-ca", trusted, "--cert", client[0], "--key", client[1], "--principal", 'User::"ana"')
        answer = spawn("check", "--address", f"127.0.0.1:{port[1]}", *words, *ASKED)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.startswith("ALLOW")
        stop(process)


def test_an_address_that_is_taken_ends_with_2(files: SmallWorld) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option, kind in (("--grpc", "gRPC"), ("--http", "HTTP")):
            result = run("serve", "--config", files.config, option, f"127.0.0.1:{port}")
            assert (result.exit_code, result.stdout) == (2, "")
            assert result.stderr.startswith(f"cannot listen for {kind} on `127.0.0.1:{port}`")
            assert "  help: is another server using it" in result.stderr
