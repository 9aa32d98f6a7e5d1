"""Built bundles: the same as parsed ones in everything, and refused by name when anything is not as it must be."""

import dataclasses
import marshal
import random
from pathlib import Path
from typing import Any

import pytest
from built_bundles import both_ways, exactly, read, rebuilt, sha
from fuzzing import rounds
from hypothesis import given
from official_cases import corpus_case, corpus_names, failures
from small_world import write_small_world
from strategies import World, sampled_worlds, worlds

from pdp.cedar.errors import CedarError
from pdp.cedar.policy import PolicySet
from pdp.cedar.response import Response
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.evaluate.authorize import authorize
from pdp.policies.built import header
from pdp.policies.built.building import build
from pdp.policies.built.header import (
    BuiltDamaged,
    BuiltError,
    BuiltFormat,
    BuiltHash,
    BuiltPython,
    BuiltRevision,
    BuiltUnreadable,
    BuiltVersion,
    this_program,
)
from pdp.policies.built.reading import read_built, read_built_file
from pdp.policies.bundle import Bundle, load_bundle
from pdp.policies.steps import finish

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_world(tmp_path_factory.mktemp("small")).root


@pytest.fixture(scope="module")
def data(small: Path) -> bytes:
    return build(small)


# The same as parsed


@pytest.mark.parametrize("name", ["policies", "small"])
def test_everything_is_as_it_was_parsed(name: str, small: Path) -> None:
    parsed, built = both_ways(small if name == "small" else ROOT / name)
    assert built.revision == parsed.revision
    assert built.schema == parsed.schema
    assert exactly(built.schema) == exactly(parsed.schema)
    for kind in ("static", "templates"):
        ours, theirs = getattr(built.policies, kind), getattr(parsed.policies, kind)
        assert list(ours) == list(theirs)
        assert ours == theirs
        assert theirs == ours
        for id, policy in ours.items():
            assert exactly(policy) == exactly(theirs[id])
    assert built.policies == parsed.policies


def test_names_are_those_of_the_directory_where_it_is_read(small: Path, data: bytes, tmp_path: Path) -> None:
    elsewhere = read(data, tmp_path / "else").policies.static["files/readers-read"]
    assert elsewhere.source is not None
    assert elsewhere.source.name == str(tmp_path / "else" / "teams/files/files.cedar")
    here = read(data, Path()).policies.static["files/readers-read"]
    assert here.source is not None
    assert here.source.name == "teams/files/files.cedar"


def program(bundle: Bundle, policies: PolicySet) -> Program:
    assert bundle.compiled is not None
    book = Rulebook()
    for compiled in bundle.compiled:
        book.take(compiled)
    for link in policies.links.values():
        book.link(link)
    return Program(book)


def agree(world: World) -> None:
    """Fails unless what was built answers as the interpreter does, with the same messages; and again when prepared."""
    bundle = rebuilt(world.policies)
    built = program(bundle, world.policies)
    for policy_id in (*world.policies.static, *world.policies.links):
        assert exactly(built.policy(policy_id)) == exactly(
            next(policy for policy in world.policies.linked() if policy.id == policy_id)
        )
    for request in world.requests:
        expected = authorize(request, world.policies, world.entities)
        assert same(built.authorize(request, world.entities), expected)
        assert same(authorize(request, bundle.policies, world.entities), expected), "its text is the same, too"


def same(ours: Response, theirs: Response) -> bool:
    return (ours.decision, ours.reasons, sorted(ours.errors, key=str)) == (
        theirs.decision,
        theirs.reasons,
        sorted(theirs.errors, key=str),
    )


@given(worlds())
def test_any_policies_decide_as_they_did(world: World) -> None:
    agree(world)


def test_the_sample_of_worlds_decides_as_it_did() -> None:
    for world in sampled_worlds()[::12]:
        agree(world)


def test_the_corpus_is_answered_as_it_must_be() -> None:
    for name in corpus_names()[::40]:
        case = corpus_case(name)
        built = dataclasses.replace(case, policies=rebuilt(case.policies, case.schema).policies)
        assert list(failures(built)) == []
        assert exactly(list(built.policies.static.values())) == exactly(list(case.policies.static.values()))


def test_code_is_shared_as_it_was(small: Path) -> None:
    _, built = both_ways(ROOT / "policies")
    assert built.compiled is not None
    codes = [compiled.code for compiled in built.compiled if compiled.code is not None]
    assert len({id(code) for code in codes}) == len(set(codes)) < len(codes)


def test_reading_takes_many_steps(data: bytes, small: Path) -> None:
    steps = 0
    for _ in read_built(data, sha(data), small):
        steps += 1
    assert steps > len(load_bundle(small).policies)


# Refused


def refused(data: bytes, trusted: str, revision: str | None = None) -> BuiltError:
    with pytest.raises(BuiltError) as caught:
        finish(read_built(data, trusted, Path("there"), revision))
    assert caught.value.help is not None
    return caught.value


def test_a_file_with_another_hash_is_not_unpacked(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marshal, "loads", lambda _: pytest.fail("it was unpacked"))
    for trusted in ("0" * 64, sha(b""), "", "\x1b[2J", sha(data)[:-1]):
        error = refused(data, trusted)
        assert isinstance(error, BuiltHash)
        assert sha(data) in error.message
        assert "\x1b" not in error.message


def test_a_hash_in_capitals_is_the_same(data: bytes) -> None:
    assert finish(read_built(data, sha(data).upper(), Path("there"))).revision


def test_the_file_s_own_hash_makes_nothing_good(data: bytes) -> None:
    _, payload = header.read_header(data)
    forged = this_program("00" * 32).write(bytes(payload))
    assert isinstance(refused(forged, sha(data)), BuiltHash)


def test_other_sources(data: bytes, small: Path) -> None:
    revision = load_bundle(small).revision
    assert read(data, small, revision).revision == revision
    error = refused(data, sha(data), "ff" * 32)
    assert isinstance(error, BuiltRevision)
    assert revision in error.message


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("PYTHON", "cpython 3.10.1 3439 cpython-310", BuiltPython),
        ("CEDAR", "5.0", BuiltVersion),
        ("__version__", "9.9.9", BuiltVersion),
        ("FORMAT", 7, BuiltFormat),
    ],
)
def test_another_program_is_told_before_the_hash(
    data: bytes, name: str, value: object, error: type[BuiltError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header, name, value)
    for trusted in (sha(data), "0" * 64):
        assert isinstance(refused(data, trusted), error)


def test_no_change_of_a_byte_passes(data: bytes) -> None:
    rng = random.Random(20261125)
    trusted = sha(data)
    places = [*range(400), *rng.sample(range(len(data)), rounds(400))]
    for at in places:
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        refused(bytes(changed), trusted)


def test_no_part_of_it_passes(data: bytes) -> None:
    rng = random.Random(20261125)
    trusted = sha(data)
    for size in [*range(1, 300), *rng.sample(range(len(data)), 200), len(data) - 1]:
        refused(data[:size], trusted)
        refused(data[size:], trusted)
        refused(data + data[:size], trusted)


def test_what_was_written_wrong_is_refused_although_its_hash_is_trusted() -> None:
    # `marshal` gives values or one of these errors for what nobody has written; for hostile bytes, it promises nothing.
    bad: tuple[Any, ...] = ((), ((), (), (), (), 1), (((), (), ()), (), (), (), 1), "text", ((), (), ()))
    for first in bad:
        part = marshal.dumps(first, 2)
        payload = len(part).to_bytes(4, "big") + part
        forged = this_program("00" * 32).write(payload)
        assert isinstance(refused(forged, sha(forged)), BuiltDamaged)
    for payload in (b"", b"\0", b"\0\0\0\x09x", b"\0\0\0\0"):
        forged = this_program("00" * 32).write(payload)
        assert isinstance(refused(forged, sha(forged)), BuiltDamaged)


class TestFiles:
    def test_it_is_read_whole(self, data: bytes, tmp_path: Path) -> None:
        (tmp_path / "x.pdpb").write_bytes(data)
        assert read_built_file(tmp_path / "x.pdpb") == data

    @pytest.mark.parametrize("name", ["missing", "a/b", "folder", "x\0y"])
    def test_what_is_no_file(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "folder").mkdir()
        with pytest.raises(BuiltUnreadable) as caught:
            read_built_file(tmp_path / name)
        assert caught.value.code == "built_unreadable"
        assert caught.value.render().startswith(str(tmp_path))

    def test_a_file_that_is_too_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pdp.policies.built.reading.MAX_FILE", 3)
        (tmp_path / "x").write_bytes(b"1234")
        with pytest.raises(CedarError, match="too long"):
            read_built_file(tmp_path / "x")
