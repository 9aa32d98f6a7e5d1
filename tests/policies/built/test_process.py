"""Building in another process: what it builds, the faults that it tells, and every way in which it can fail."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import pytest
from built_bundles import exactly, sha
from small_world import SmallWorld, write_small_world
from small_world_faults import FAULTS

from pdp.cedar.errors import CedarError
from pdp.policies.built.building import build
from pdp.policies.built.child import FIRMLY, GENTLY, _stand_back, read_fault, write_fault
from pdp.policies.built.process import BuildError, BuildProcess, BuildTimeout
from pdp.policies.bundle import load_bundle


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    return write_small_world(tmp_path / "world")


def python(script: str) -> Sequence[str]:
    """A child that does something else."""
    return (sys.executable, "-S", "-c", f"import os, sys, time\n{script}")


def failing(script: str, seconds: float = 30) -> CedarError:
    with pytest.raises(CedarError) as caught:
        BuildProcess(seconds, python(script)).build(Path("there"))
    return caught.value


def test_it_builds_what_this_process_would(files: SmallWorld) -> None:
    data, digest = BuildProcess(60).build(files.root)
    assert bytes(data) == build(files.root)
    assert digest == sha(bytes(data))


def test_modules_that_lie_about_are_not_ours(files: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    (files.root / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(files.root)
    assert BuildProcess(60).build(Path())[0]


@pytest.mark.parametrize("name", ["a syntax error in a policy", "two policies of one id"])
def test_a_fault_is_told_as_if_it_had_been_met_here(files: SmallWorld, name: str) -> None:
    FAULTS[name].make(files)
    with pytest.raises(CedarError) as here:
        load_bundle(files.root)
    with pytest.raises(CedarError) as there:
        BuildProcess(60).build(files.root)
    assert there.value.render() == here.value.render()
    assert (there.value.code, there.value.help) == (here.value.code, here.value.help)
    assert exactly(there.value.source) == exactly(here.value.source)


def test_a_fault_without_a_place() -> None:
    read = read_fault(write_fault(BuildError("why", help="do")))
    assert (read.code, read.message, read.help, read.source, read.span) == ("build_process", "why", "do", None, None)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("raise ValueError('no')", "ended with 1"),
        ("sys.exit(3)", "ended with 3"),
        ("os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("os.abort()", "ended by signal 6"),
        ("", "ended with 0"),
        ("os.write(1, b'built')", "ended with 0"),
        ("os.write(1, b'built' + bytes(32) + b'x')", "ended with 0"),
        ("os.write(1, b'something else')", "ended with 0"),
        ("os.write(1, b'fault[]'); sys.exit(1)", "ended with 1"),
    ],
)
def test_no_answer_is_an_error_by_name(script: str, told: str) -> None:
    error = failing(script)
    assert type(error) is BuildError
    assert error.code == "build_process"
    assert told in error.message


@pytest.mark.parametrize("told", ["", "[", "[]", "[1, 2, 3, 4]", '["a", "b", 3, 4, 5]', "\\xff"])
def test_a_fault_that_cannot_be_read(told: str) -> None:
    assert failing(f"os.write(1, b'fault' + b'''{told}''')").code == "build_process"


def test_what_it_said_last_is_told_without_what_could_steer_a_terminal() -> None:
    error = failing("os.write(2, b'first\\nlast \\x1b[2J \\xff' + b'x' * 999); sys.exit(1)")
    assert error.help is not None
    assert error.help.startswith("it said: last ")
    assert error.help.isprintable()
    assert len(error.help) < 400


def children() -> list[str]:
    """The processes that this one has begun, those that have ended and were not looked after included."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_one_that_hangs_is_ended() -> None:
    before, started = children(), time.monotonic()
    error = failing("os.write(1, b'built'); time.sleep(600)", seconds=0.3)
    assert type(error) is BuildTimeout
    assert error.code == "build_timeout"
    assert time.monotonic() - started < 60
    assert children() == before, "nobody is left"


def test_one_that_gets_nowhere_gently_is_begun_anew_firmly() -> None:
    answer = "import hashlib; os.write(1, b'built' + hashlib.sha256(b'x').digest() + b'x')"
    script = f"time.sleep(600) if sys.argv[1] == 'gently' else None\n{answer}"
    data, digest = BuildProcess(60, python(script), gentle=0.2).build(Path("there"))
    assert (bytes(data), digest) == (b"x", sha(b"x"))


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux alone has it")
def test_gently_it_takes_what_nobody_else_wants(files: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(os, "nice", calls.append)
    monkeypatch.setattr(os, "sched_setscheduler", lambda *arguments: calls.append(arguments[1]))
    _stand_back(FIRMLY)
    assert calls == [10]
    _stand_back(GENTLY)
    assert calls == [10, 10, os.SCHED_IDLE]

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    _stand_back(GENTLY)


def test_one_that_cannot_be_started() -> None:
    with pytest.raises(BuildError, match="cannot be started: no such file") as caught:
        BuildProcess(1, ("/nowhere/python",)).build(Path("there"))
    assert caught.value.help is not None
    assert "reload: thread" in caught.value.help


def test_one_that_is_killed_from_outside(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = (
        f"open({str(mark)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(mark)!r} + '.new', {str(mark)!r})"
    )
    errors: list[CedarError] = []
    thread = Thread(target=lambda: errors.append(failing(f"{script}; time.sleep(600)")))
    thread.start()
    while not mark.exists():
        time.sleep(0.01)
    os.kill(int(mark.read_text()), signal.SIGKILL)
    thread.join(30)
    assert "signal 9" in errors[0].message


def test_cancelling_ends_it_and_every_one_after_it() -> None:
    building = BuildProcess(600, python("time.sleep(600)"))
    errors: list[CedarError] = []

    def build_in_vain() -> None:
        with pytest.raises(BuildError) as caught:
            building.build(Path("there"))
        errors.append(caught.value)

    thread = Thread(target=build_in_vain)
    thread.start()
    while building._running is None and thread.is_alive():
        time.sleep(0.01)
    building.cancel()
    thread.join(30)
    assert len(errors) == 1
    build_in_vain()
    assert "stops" in errors[1].message
    building.cancel()


def test_without_files_in_memory_it_is_the_same(files: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert BuildProcess(60).build(files.root)[1] == sha(build(files.root))
