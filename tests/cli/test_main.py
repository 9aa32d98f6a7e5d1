"""The command line as a whole: help, version, exit codes, what becomes of errors, and what is not imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import PROGRAM, run, spawn
from small_world import SmallWorld
from small_world_faults import FAULTS, Fault

from pdp import __version__
from pdp.cli import main as main_module
from pdp.cli.main import main

VERBS = ("serve", "build", "check", "eval", "test", "validate", "fmt", "translate", "conformance")
ASK = ("--principal", 'User::"ana"', "--action", 'Files::Action::"read"', "--resource", 'Files::File::"plan"')


def test_the_version() -> None:
    assert run("--version").stdout == f"pdp {__version__}\n"
    assert run("--version").exit_code == 0


def test_help_lists_the_verbs_and_each_tells_its_exit_codes() -> None:
    for words in ((), ("--help",)):
        assert all(verb in run(*words).output for verb in VERBS)
    for verb in VERBS:
        shown = run(verb, "--help")
        assert shown.exit_code == 0
        text = " ".join(shown.stdout.split())
        assert "Exit codes: 0 " in text
        assert ", 2 " in text.partition("Exit codes:")[2]
        assert ("1 denied" in text) == (verb in {"check", "eval"})
        assert ("1 a case failed" in text) == (verb == "test")


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("check",),
        ("check", *ASK, "--colour", "red"),
        ("check", *ASK, "--timeout", "soon"),
        ("check", *ASK, "--timeout", "nan"),
        ("check", *ASK, "--min-revision", "-1"),
        ("check", *ASK, "--min-revision", str(2**64)),
        ("check", *ASK, "--token", "a.b.c"),
        ("eval", *ASK[2:]),
        ("eval", *ASK, "--now", "tomorrow"),
        ("eval", *ASK, "--config", "nowhere.yaml"),
        ("eval", *ASK, "--policies", "nowhere"),
        ("test", "nowhere"),
        ("test", "a", "b"),
        ("serve", "--config", "nowhere.yaml"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2_and_says_why_on_standard_error(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


@pytest.mark.parametrize("option", ["--grpc", "--http"])
@pytest.mark.parametrize("address", ["", "here", "host:", "host:70000", ":80", "[::1:80", "unix"])
def test_addresses_that_are_none(files: SmallWorld, option: str, address: str) -> None:
    result = run("serve", "--config", files.config, option, address)
    assert result.exit_code == 2
    assert "is no address to listen on" in result.stderr


NAMED = FAULTS | {
    "an unknown key in the configuration": Fault(
        lambda files: files.replace("pdp.yaml", "inventory:", "inventroy: 1\ninventory:"),
        "document",
        'unknown key "inventroy"',
        "pdp.yaml:11:1",
    ),
    "an unknown key further in": Fault(
        lambda files: files.replace("pdp.yaml", "relative_times:", "relative_time:"),
        "document",
        'unknown key "relative_time"',
        "pdp.yaml:10:31",
    ),
}
NOT_READ = {
    ("eval", "a key set without keys"),
    ("test", "a key set without keys"),
    ("eval", "an unknown key in the routes"),
}
"""Verbs that have no use for a file: without a token no keys, and without a request in HTTP no routes."""

SERVED = (
    "a syntax error in a policy",
    "two policies of one id",
    "a cyclic hierarchy",
    "an entity file that is not JSON",
    "a key set without keys",
    "an unknown key in the configuration",
)
"""One of each kind; the tests of the app itself have them all."""


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        *((verb, name) for verb in ("eval", "test") for name in NAMED if (verb, name) not in NOT_READ),
        *(("serve", name) for name in SERVED),
    ],
)
def test_a_file_at_fault_ends_with_2_and_one_message(files: SmallWorld, verb: str, name: str) -> None:
    NAMED[name].make(files)
    result = run(*verb_over(files, verb))
    assert (result.exit_code, result.stdout) == (2, "")
    NAMED[name].check_told(result.stderr.rstrip("\n"), files.root)
    assert result.stderr.count(result.stderr.splitlines()[0]) == 1


@pytest.mark.parametrize(("verb", "name"), sorted(NOT_READ))
def test_a_file_that_is_not_read_cannot_be_at_fault(files: SmallWorld, verb: str, name: str) -> None:
    NAMED[name].make(files)
    assert run(*verb_over(files, verb)).exit_code == 0


def verb_over(files: SmallWorld, verb: str) -> tuple[str | Path, ...]:
    """A verb's words, for the small world."""
    more = {"serve": ("--config", files.config), "eval": (*ASK, "--config", files.config), "test": (files.root,)}
    return (verb, *more[verb])


def test_a_message_cannot_steer_the_terminal(files: SmallWorld) -> None:
    path = files.write("guardrails/\x1b[31m.cedar", "permit \x1b[2J")
    result = run("test", files.root)
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert path.exists()
    result = run("check", *ASK, "--address", "\x1b[31m")
    assert result.exit_code == 2
    assert result.stderr.startswith("no answer from `\\u{1b}[31m`: ")
    assert "\x1b" not in result.stderr


def test_a_defect_ends_with_2_and_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(main_module, "app", fail)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "RuntimeError: a defect" in shown.err


def test_as_a_process(files: SmallWorld) -> None:
    passed = spawn("test", files.root)
    assert (passed.returncode, passed.stdout, passed.stderr) == (0, "4 passed, 0 failed\n", "")
    nothing = spawn("check", *ASK, "--address", "127.0.0.1:1")
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.splitlines() == [
        next(
            line for line in nothing.stderr.splitlines() if line.startswith("no answer from `127.0.0.1:1`: unavailable")
        ),
        "  help: is `pdp serve` running, does it listen there, and do both speak TLS, or neither?",
    ]


@pytest.mark.parametrize(
    ("verb", "words"),
    [("test", ()), ("eval", ASK), ("validate", ()), ("fmt", ()), ("translate", ()), ("--version", ()), ("--help", ())],
    ids=lambda v: str(v),
)
def test_a_verb_that_needs_no_server_imports_none(files: SmallWorld, verb: str, words: tuple[str, ...]) -> None:
    arguments = {
        "test": (files.root,),
        "eval": (*words, "--config", files.config),
        "validate": (files.root,),
        "fmt": (files.root,),
        "translate": (files.root / "schema.cedarschema", "-o", files.root / "schema.json"),
    }.get(verb, ())
    script = (
        "import sys\n"
        "from pdp.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code == 0, end.code\n"
        "slow = {'grpc', 'google', 'starlette', 'uvicorn', 'cryptography', 'jwt', 'prometheus_client', 'asyncio'}\n"
        "print(sorted(slow & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, verb, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


def test_the_programs_entry_point_is_this_one() -> None:
    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8")
    assert 'pdp = "pdp.cli.main:main"' in project
    assert PROGRAM[-1] == "from pdp.cli.main import main; main()"
