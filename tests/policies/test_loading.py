"""Which bundle is taken, from where, and what is told of it."""

from pathlib import Path
from shutil import rmtree
from unittest.mock import patch

import pytest
from built_bundles import sha
from small_world import SmallWorld, write_small_world

from pdp.cedar.errors import CedarError
from pdp.config import PolicyConfig, ReloadIn
from pdp.policies.built import header
from pdp.policies.built.building import build
from pdp.policies.built.header import BuiltError
from pdp.policies.built.process import BuildProcess
from pdp.policies.bundle import Bundle, load_bundle, parse_bundle
from pdp.policies.loading import BundleLoader


@pytest.fixture
def files(tmp_path: Path) -> SmallWorld:
    return write_small_world(tmp_path / "world")


def change(files: SmallWorld) -> None:
    files.replace("teams/files/files.cedar", "readers read", "readers do read")


def pause() -> None:
    """Somebody is asking meanwhile."""


class Loads:
    """A loader, and what it has told."""

    def __init__(
        self, files: SmallWorld, *, built: bool = False, rebuild: bool = True, reload: ReloadIn = ReloadIn.PROCESS
    ) -> None:
        self.told: list[str] = []
        file = files.root.parent / "built.pdpb"
        digest = None
        if built:
            data = build(files.root)
            file.write_bytes(data)
            digest = sha(data)
        self.file = file
        config = PolicyConfig(files.root, file if built else None, digest, rebuild, reload)
        self.loader = BundleLoader(config, lambda error: self.told.append(error.code))

    def load(self, *, asked: bool = False) -> tuple[Bundle, str]:
        """A bundle, and where it came from."""
        with (
            patch("pdp.policies.loading.parse_bundle", wraps=_parse) as parsed,
            patch.object(BuildProcess, "build", autospec=True, side_effect=_build) as processed,
        ):
            bundle = self.loader.load(pause if asked else None)
        return bundle, "here" * parsed.call_count + "child" * processed.call_count


_parse = parse_bundle
_build = BuildProcess.build


def test_at_first_the_sources_are_parsed_here_and_later_in_another_process(files: SmallWorld) -> None:
    loads = Loads(files)
    first, where = loads.load()
    assert where == "here"
    assert first.compiled is None
    change(files)
    second, where = loads.load(asked=True)
    assert where == "child"
    assert second.revision == load_bundle(files.root).revision
    assert second.policies == load_bundle(files.root).policies


def test_what_has_not_changed_is_not_read_again(files: SmallWorld) -> None:
    loads = Loads(files)
    first, _ = loads.load()
    assert loads.load(asked=True) == (first, "")
    assert loads.load(asked=True)[0] is first


def test_where_no_process_may_be_started(files: SmallWorld) -> None:
    loads = Loads(files, reload=ReloadIn.THREAD)
    loads.load()
    change(files)
    assert loads.load(asked=True)[1] == "here"


def test_a_fault_leaves_what_was_loaded(files: SmallWorld) -> None:
    loads = Loads(files)
    first, _ = loads.load()
    good = (files.root / "teams/files/files.cedar").read_text("utf-8")
    files.write("teams/files/files.cedar", "permit")
    for _ in range(2):
        with pytest.raises(CedarError) as caught:
            loads.load(asked=True)
        assert caught.value.code == "policy_syntax"
    files.write("teams/files/files.cedar", good)
    assert loads.load(asked=True)[0] is first


def test_a_built_file_is_read_when_it_is_of_these_sources(files: SmallWorld) -> None:
    loads = Loads(files, built=True)
    bundle, where = loads.load()
    assert (where, loads.told) == ("", [])
    assert bundle.compiled is not None
    assert bundle.policies == load_bundle(files.root).policies
    assert loads.load(asked=True)[0] is bundle


def test_sources_that_changed_are_read_and_it_is_told(files: SmallWorld) -> None:
    loads = Loads(files, built=True)
    loads.load()
    change(files)
    bundle, where = loads.load(asked=True)
    assert (where, loads.told) == ("child", ["built_revision"])
    assert bundle.revision == load_bundle(files.root).revision


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda file: file.unlink(), "built_unreadable"),
        (lambda file: file.write_bytes(b""), "built_format"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "built_damaged"),
        (lambda file: file.write_bytes(header.this_program("00" * 32).write(b"")), "built_hash"),
    ],
)
def test_a_file_that_is_not_trusted(files: SmallWorld, spoil: object, code: str) -> None:
    loads = Loads(files, built=True)
    spoil(loads.file)  # type: ignore[operator]  # what spoils it
    assert loads.load()[1] == "here"
    assert loads.told == [code]
    strict = Loads(files, built=True, rebuild=False)
    spoil(strict.file)  # type: ignore[operator]  # the same
    with pytest.raises(BuiltError) as caught:
        strict.load()
    assert caught.value.code == code
    assert strict.told == []


@pytest.mark.parametrize(("name", "code"), [("PYTHON", "built_python"), ("CEDAR", "built_version")])
def test_a_file_of_another_program(files: SmallWorld, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(files, built=True)
    monkeypatch.setattr(header, name, "another")
    assert loads.load()[1] == "here"
    assert loads.told == [code]


def test_without_sources_the_built_file_is_all_there_is(files: SmallWorld) -> None:
    loads = Loads(files, built=True)
    expected = load_bundle(files.root)
    rmtree(files.root)
    bundle, where = loads.load()
    assert (where, bundle.policies, bundle.revision) == ("", expected.policies, expected.revision)
    assert loads.load(asked=True)[0].revision == expected.revision
    loads.file.unlink()
    with pytest.raises(BuiltError) as caught:
        loads.load(asked=True)
    assert caught.value.code == "built_unreadable"


def test_sources_that_are_half_there_are_not_passed_over(files: SmallWorld) -> None:
    loads = Loads(files, built=True)
    rmtree(files.root / "guardrails")
    with pytest.raises(CedarError) as caught:
        loads.load()
    assert caught.value.code == "bundle"


def test_without_a_built_file_there_must_be_sources(tmp_path: Path) -> None:
    with pytest.raises(CedarError) as caught:
        BundleLoader(PolicyConfig(tmp_path / "nothing"), lambda _: None).load()
    assert caught.value.code == "bundle"


def test_after_cancelling_nothing_is_built_elsewhere(files: SmallWorld) -> None:
    loads = Loads(files)
    loads.load()
    loads.loader.cancel()
    change(files)
    with pytest.raises(CedarError) as caught:
        loads.load(asked=True)
    assert caught.value.code == "build_process"
