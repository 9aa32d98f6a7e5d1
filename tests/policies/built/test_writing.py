"""Building: reproducible, wherever and whenever, and of what was checked alone."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
from built_bundles import read, sha
from small_world import write_small_world

from pdp.cedar.errors import CedarError
from pdp.policies.built.building import build

ROOT = Path(__file__).parents[3]
SCRIPT = (
    "import sys; from pathlib import Path; from hashlib import sha256; from pdp.policies.built.building import build; "
    "print(sha256(build(Path(sys.argv[1]))).hexdigest())"
)


def test_the_same_sources_give_the_same_bytes_in_any_process_and_place(tmp_path: Path) -> None:
    # Hashes of texts are random in each process, and so is the order of sets; a path must not be part of any code.
    here = build(ROOT / "policies")
    assert build(ROOT / "policies" / ".." / "policies") == here
    copytree(ROOT / "policies", tmp_path / "copy")
    for seed, cwd, directory in (("1", ROOT, "policies"), ("2", tmp_path, "copy"), ("3", tmp_path / "copy", ".")):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, directory], cwd=cwd, env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == sha(here)


def test_every_change_of_a_source_gives_another_file(tmp_path: Path) -> None:
    files = write_small_world(tmp_path)
    before = build(files.root)
    files.replace("teams/files/files.cedar", "readers read", "readers do read")
    after = build(files.root)
    assert sha(before) != sha(after)
    assert read(before).revision != read(after).revision


def test_what_does_not_load_is_not_built(tmp_path: Path) -> None:
    files = write_small_world(tmp_path)
    files.replace("teams/files/files.cedar", "resource.owner == principal &&", "resource.owner &&")
    with pytest.raises(CedarError) as caught:
        build(files.root)
    assert caught.value.code == "policy_validation"


def test_no_place_of_the_machine_is_in_it(tmp_path: Path) -> None:
    assert str(tmp_path).encode() not in build(write_small_world(tmp_path / "world").root)


def test_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    files = write_small_world(tmp_path)
    odd_file = files.root / "guardrails" / os.fsdecode(b"\xff\x1b.cedar")
    odd_file.write_bytes(b'@id("guardrail/odd") forbid (principal, action, resource) when { false };')
    odd = read(build(files.root), files.root).policies.static["guardrail/odd"]
    assert odd.source is not None
    assert odd.source.name.isprintable()
    assert odd.source.name.startswith(str(files.root))
