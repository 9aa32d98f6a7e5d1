"""`pdp build`: what it writes and prints, what it refuses, and serving what it wrote."""

import hashlib
import re
from pathlib import Path

import pytest
from command_line import run, serving
from small_world import SmallWorld

from pdp.policies.bundle import load_bundle


def built(files: SmallWorld, *options: str) -> tuple[Path, str]:
    """A file that was built, and the hash that was printed."""
    file = files.root.parent / "small.pdpb"
    done = run("build", files.root, "-o", file, *options)
    assert done.exit_code == 0, done.output
    digest, name = done.stdout.split("  ")
    assert name == f"{file}\n"
    return file, digest


def test_it_prints_what_sha256sum_would(files: SmallWorld) -> None:
    file, digest = built(files)
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    done = run("build", files.root, "--output", file)
    assert done.stdout == f"{digest}  {file}\n"
    assert done.stderr == f"6 policies and 1 template, revision {load_bundle(files.root).revision}\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("resource.owner == principal &&", "resource.owner &&", "files.cedar:10:3"),
        ("mask:margin; header:x-reader=yes", "header:authorization=yes", "names a header that policies may not set"),
        ("mask:margin; header:x-reader=yes", "Mask it", "has no kind"),
    ],
)
def test_what_a_server_would_refuse_is_not_built(files: SmallWorld, old: str, new: str, told: str) -> None:
    files.replace("teams/files/files.cedar", old, new)
    file = files.root.parent / "small.pdpb"
    done = run("build", files.root, "-o", file)
    assert done.exit_code == 2
    assert told in done.stderr
    assert done.stdout == ""
    assert not file.exists()


def test_a_file_that_was_there_stays_when_building_fails(files: SmallWorld) -> None:
    file, digest = built(files)
    files.write("teams/files/files.cedar", "permit")
    assert run("build", files.root, "-o", file).exit_code == 2
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest


def test_where_it_cannot_write(files: SmallWorld) -> None:
    done = run("build", files.root, "-o", files.root / "nowhere" / "x")
    assert done.exit_code == 2
    assert "cannot write the file" in done.stderr


def test_without_a_file_to_write(files: SmallWorld) -> None:
    assert run("build", files.root).exit_code == 2


class TestCheck:
    """Whether a file is what the sources become."""

    def test_the_same(self, files: SmallWorld) -> None:
        file, digest = built(files)
        before = file.stat().st_mtime_ns
        assert built(files, "--check") == (file, digest)
        assert file.stat().st_mtime_ns == before

    def test_other_sources(self, files: SmallWorld) -> None:
        file, _ = built(files)
        files.replace("teams/files/files.cedar", "readers read", "readers do read")
        done = run("build", files.root, "-o", file, "--check")
        assert done.exit_code == 1
        assert "it was built from the sources of revision" in done.stdout

    def test_a_forgery(self, files: SmallWorld) -> None:
        file, _ = built(files)
        from pdp.policies.built.header import read_header, this_program

        header, payload = read_header(file.read_bytes())
        file.write_bytes(this_program(header.revision).write(bytes(payload) + b"more"))
        done = run("build", files.root, "-o", file, "--check")
        assert done.exit_code == 1
        assert "somebody else has written it" in done.stdout

    def test_a_damaged_file(self, files: SmallWorld) -> None:
        file, _ = built(files)
        file.write_bytes(file.read_bytes()[:-1])
        done = run("build", files.root, "-o", file, "--check")
        assert done.exit_code == 2
        assert "the built bundle is damaged" in done.stderr


def policies_line(*words: str | Path) -> tuple[str, str]:
    """What `pdp serve` says of its policies, and its log up to then."""
    with serving(*words) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("  policies"):
                process.terminate()
                _, log = process.communicate(timeout=60)
                return line, log
        _, log = process.communicate(timeout=60)
        return "", log


def test_it_is_served(files: SmallWorld) -> None:
    file, digest = built(files)
    line, log = policies_line("--config", files.config, "--built", file, "--built-sha256", digest)
    assert re.search(r"6, revision [0-9a-f]{64}", line)
    assert "built" not in log


def test_another_hash_is_told_and_the_sources_are_served(files: SmallWorld) -> None:
    file, _ = built(files)
    line, log = policies_line("--config", files.config, "--built", file, "--built-sha256", "0" * 64)
    assert re.search(r"6, revision [0-9a-f]{64}", line)
    assert "built_hash" in log


def test_without_sources_only_the_trusted_file_is_served(files: SmallWorld) -> None:
    file, digest = built(files)
    files.replace(
        "pdp.yaml", "policies: {directory: .}", f"policies: {{directory: gone, built: {file}, built_sha256: {digest}}}"
    )
    assert policies_line("--config", files.config)[0]
    file.write_bytes(file.read_bytes() + b"\0")
    line, log = policies_line("--config", files.config)
    assert (line, "the built bundle is damaged" in log) == ("", True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--built", "x"), "have no meaning without each other"),
        (("--built-sha256", "0" * 64), "have no meaning without each other"),
        (("--built", "x", "--built-sha256", "abc"), "is no SHA-256"),
    ],
)
def test_options_that_mean_nothing(files: SmallWorld, options: tuple[str, ...], told: str) -> None:
    done = run("serve", "--config", files.config, *options)
    assert done.exit_code == 2
    assert told in done.stderr
