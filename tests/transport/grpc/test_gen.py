"""What is checked in is what `proto/` says, whichever version of protoc looks."""

import re
import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pdp.transport.grpc.gen.v1 import decision_pb2, frames_pb2

ROOT = Path(__file__).resolve().parents[3]
GENERATED = ROOT / "pdp" / "transport" / "grpc" / "gen" / "v1"


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    """The modules as this environment's protoc generates them."""
    pytest.importorskip("grpc_tools")
    script: dict[str, Any] = runpy.run_path(str(ROOT / "proto" / "generate.py"))
    texts: dict[str, str] = script["generate"]()
    return texts


@pytest.mark.parametrize(
    ("name", "essence"),
    [
        # The serialized definition itself: messages, fields, numbers, types, services.
        ("decision_pb2.py", r"AddSerializedFile\(.*\)"),
        ("decision_pb2.pyi", r"^ *class \w+|__slots__ = .*|^    \w+: .*"),
        ("decision_pb2_grpc.py", r"'/pdp\.v1\.[^']+'|class \w+|def \w+\(.*\)|^(?:from|import) .*"),
        ("frames_pb2.py", r"AddSerializedFile\(.*\)"),
        ("frames_pb2.pyi", r"^ *class \w+|__slots__ = .*|^    \w+: .*"),
    ],
)
def test_checked_in_code_is_fresh(fresh: dict[str, str], name: str, essence: str) -> None:
    checked_in = (GENERATED / name).read_text("utf-8")
    found = re.findall(essence, checked_in, re.MULTILINE)
    assert found
    assert found == re.findall(essence, fresh[name], re.MULTILINE), "run `python proto/generate.py`"


def test_all_that_is_checked_in_is_generated(fresh: dict[str, str]) -> None:
    assert {path.name for path in GENERATED.iterdir() if path.suffix in {".py", ".pyi"}} == {*fresh, "__init__.py"}


@pytest.mark.parametrize("name", ["decision_pb2.py", "frames_pb2.py"])
def test_generated_code_does_not_shut_out_the_oldest_supported_libraries(name: str) -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    protobuf = re.search(r"Protobuf Python Version: (\d+)\.(\d+)", (GENERATED / name).read_text("utf-8"))
    grpcio = re.search(r"GRPC_GENERATED_VERSION = '(\d+\.\d+)", (GENERATED / "decision_pb2_grpc.py").read_text("utf-8"))
    assert protobuf is not None
    assert grpcio is not None
    assert f'"protobuf>={protobuf[1]}.{protobuf[2]},' in project
    assert f'"grpcio>={grpcio[1]},' in project


@pytest.mark.parametrize("name", ["decision.proto", "frames.proto"])
def test_every_field_message_and_method_of_the_definition_is_commented(name: str) -> None:
    lines = (ROOT / "proto" / "pdp" / "v1" / name).read_text("utf-8").splitlines()
    declaration = re.compile(r"\s*(message|enum|service|rpc|oneof|[\w.<>, ]+ \w+ = \d+;|[A-Z_]+ = \d+;)")
    bare = [
        line for before, line in pairwise(lines) if declaration.match(line) and not before.lstrip().startswith("//")
    ]
    assert bare == []
    assert sum(bool(declaration.match(line)) for line in lines) > 3


@pytest.mark.parametrize(
    ("frames", "whole"), [("BatchRequestFrames", "CheckBatchRequest"), ("BatchResponseFrames", "CheckBatchResponse")]
)
def test_frames_are_the_messages_that_they_take_apart(frames: str, whole: str) -> None:
    apart = {field.name: field.number for field in frames_pb2.DESCRIPTOR.message_types_by_name[frames].fields}
    other = decision_pb2.DESCRIPTOR.message_types_by_name[whole]
    assert apart == {field.name: field.number for field in other.fields}
