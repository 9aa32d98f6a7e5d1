"""`pdp fmt`: what is written, what is only told, and what is left as it is."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest
from command_line import PROGRAM, run, spawn
from typer.testing import CliRunner

from pdp.cedar.text.formatter import format_policies
from pdp.cli.main import app

LOOSE: Final = (
    'permit(principal,action==Action::"read",resource)  // why\nwhen{principal.name=="ana"&&context.level>1};'
)
TIGHT: Final = format_policies(LOOSE)
FAULT: Final = "permit(principal, action);"


def pipe(text: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, "fmt", "-", *options], input=text, capture_output=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    (folder / "more").mkdir(parents=True)
    (folder / "loose.cedar").write_text(LOOSE)
    (folder / "more" / "tight.cedar").write_text(TIGHT)
    (folder / "more" / "loose.txt").write_text(LOOSE)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_are_formatted_in_their_place(folder: Path) -> None:
    before = texts(folder)
    untouched = (folder / "more" / "tight.cedar").stat()
    result = run("fmt", folder)
    path = folder / "loose.cedar"
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"  formatted     {path}\n1 file formatted, 1 file unchanged\n"
    assert texts(folder) == before | {"loose.cedar": TIGHT}
    assert (folder / "more" / "tight.cedar").stat() == untouched
    assert run("fmt", folder).stdout == "0 files formatted, 2 files unchanged\n"


def test_a_check_writes_nothing(folder: Path) -> None:
    before = texts(folder)
    result = run("fmt", "--check", folder)
    path = folder / "loose.cedar"
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == f"  would change  {path}\n1 file would change, 1 file unchanged\n"
    assert texts(folder) == before
    passed = run("fmt", "--check", folder / "more")
    assert (passed.exit_code, passed.stdout) == (0, "0 files would change, 1 file unchanged\n")


def test_a_difference_can_be_applied(folder: Path, tmp_path: Path) -> None:
    (folder / "loose.cedar").write_text("permit(principal,action,resource);\r\n// \x1b[31m é\n\n\n" + LOOSE)
    before = texts(folder)
    result = spawn("fmt", "--diff", folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert texts(folder) == before
    assert result.stdout.startswith(f"--- {folder}/loose.cedar\n+++ {folder}/loose.cedar\n@@ ")
    assert result.stdout.count("\\ No newline at end of file\n") == 1
    difference = subprocess.run(
        [*PROGRAM, "fmt", "--diff", str(folder)], capture_output=True, check=True, cwd=tmp_path
    ).stdout
    subprocess.run(["git", "apply", "--unsafe-paths", "-p0", "-"], input=difference, cwd="/", check=True)
    assert (folder / "loose.cedar").read_bytes().decode() == format_policies(before["loose.cedar"])


def test_a_difference_with_a_check_fails(folder: Path) -> None:
    result = run("fmt", "--diff", "--check", folder)
    assert result.exit_code == 1
    assert result.stdout == run("fmt", "--diff", folder).stdout
    assert run("fmt", "--diff", "--check", folder / "more").exit_code == 0
    assert run("fmt", "--diff", folder / "more").stdout == ""


def test_on_a_terminal_a_difference_cannot_steer_it(folder: Path) -> None:
    (folder / "loose.cedar").write_text(f"// \x1b[31m\n{LOOSE}")
    shown = run("fmt", "--diff", folder, env={"FORCE_COLOR": "1", "TERM": "xterm"}).stdout
    assert "\\u{1b}[31m" in shown
    assert "\x1b[31m-" in shown


@pytest.mark.parametrize("options", [("--width", "40"), ("--indent", "4"), ("--width", "20", "--indent", "0")])
def test_width_and_indent(folder: Path, options: tuple[str, ...]) -> None:
    given = {name.removeprefix("--"): int(value) for name, value in zip(options[::2], options[1::2], strict=True)}
    expected = format_policies(LOOSE, **given)
    assert run("fmt", *options, folder / "loose.cedar").exit_code == 0
    assert (folder / "loose.cedar").read_text() == expected != TIGHT


def test_standard_input_to_standard_output() -> None:
    text = f"// é \x1b[31m\n{LOOSE}\r\n"
    done = pipe(text.encode())
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, format_policies(text), b"")
    assert pipe(text.encode(), "--indent", "8").stdout.decode() == format_policies(text, indent=8)
    assert pipe(b"").stdout.decode() == format_policies("")


def test_standard_input_checked() -> None:
    done = pipe(LOOSE.encode(), "--check")
    assert (done.returncode, done.stdout) == (1, b"  would change  -\n1 file would change, 0 files unchanged\n")
    assert pipe(TIGHT.encode(), "--check").returncode == 0
    assert pipe(LOOSE.encode(), "--diff").stdout.startswith(b"--- <standard input>\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FAULT.encode(), "<standard input>:1:25: expected `,`, found `)`"),
        (b"// ok\n\xff", "<standard input>:2:1: this is not UTF-8"),
    ],
)
def test_standard_input_at_fault(text: bytes, message: str) -> None:
    done = pipe(text)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(message)


def test_standard_input_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdp.cli.files.MAX_FILE", 10)
    result = CliRunner().invoke(app, ["fmt", "-"], input=LOOSE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "standard input is too long" in result.stderr


def test_one_file_at_fault_does_not_keep_the_others_from_being_formatted(folder: Path) -> None:
    (folder / "fault.cedar").write_text(FAULT)
    (folder / "latin.cedar").write_bytes(b"\xe9")
    result = run("fmt", folder)
    assert result.exit_code == 2
    assert result.stdout.endswith("1 file formatted, 1 file unchanged\n")
    assert f"{folder}/fault.cedar:1:25: expected `,`, found `)`" in result.stderr
    assert f"{folder}/latin.cedar:1:1: this is not UTF-8" in result.stderr
    assert (folder / "loose.cedar").read_text() == TIGHT
    assert (folder / "fault.cedar").read_text() == FAULT
    assert run("fmt", "--check", folder).exit_code == 2


def test_a_file_that_may_not_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    result = run("fmt", folder)
    assert (result.exit_code, result.stdout) == (2, "0 files formatted, 1 file unchanged\n")
    assert result.stderr.startswith(f"{folder}/loose.cedar: this is not a file that may be written\n")
    assert (folder / "loose.cedar").read_text() == LOOSE


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nowhere",),
        ("-", "x.cedar"),
        (".",),
        ("-", "--indent", "33"),
        ("-", "--indent", "-1"),
        ("-", "--width", "0"),
        ("-", "--width", "wide"),
    ],
    ids=" ".join,
)
def test_wrong_usage(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("fmt", *words)
    assert result.exit_code == 2
    assert result.stderr
