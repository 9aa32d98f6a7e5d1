"""Regenerates the Python code of the `.proto` files: `python proto/generate.py` writes it to its place in the package.

Run it with the oldest supported `grpcio-tools` (1.75): generated code works with the protobuf and grpcio of its own
version and newer ones, never with older ones, so what is checked in sets the lower bound for everybody.
"""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc_tools
from grpc_tools import protoc

ROOT: Final = Path(__file__).resolve().parent
TARGET: Final = ROOT.parent / "pdp" / "transport" / "grpc" / "gen" / "v1"
"""Where the generated modules are checked in. Their own package path, `pdp.v1`, is taken by nothing but would shadow
the project's package, so they live elsewhere and their imports of each other are rewritten."""

NAMES: Final = (
    *(f"context_pb2{kind}" for kind in (".py", ".pyi", "_grpc.py")),
    *(f"decision_pb2{kind}" for kind in (".py", ".pyi", "_grpc.py")),
    *(f"frames_pb2{kind}" for kind in (".py", ".pyi")),
)


def generate() -> dict[str, str]:
    """The text of each generated module by file name. Raises RuntimeError if protoc refuses a definition."""
    with TemporaryDirectory() as scratch:
        outputs = [f"--{kind}_out={scratch}" for kind in ("python", "pyi", "grpc_python")]
        includes = [f"-I{ROOT}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
        sources = [str(source) for source in sorted((ROOT / "pdp" / "v1").glob("*.proto"))]
        if protoc.main(["protoc", *includes, *outputs, *sources]) != 0:
            raise RuntimeError("protoc refused a definition")
        made = Path(scratch) / "pdp" / "v1"
        return {name: _relocated((made / name).read_text("utf-8")) for name in NAMES}


def _relocated(text: str) -> str:
    return re.sub(r"^from pdp\.v1 import", "from pdp.transport.grpc.gen.v1 import", text, flags=re.MULTILINE)


def main() -> int:
    """Write the modules."""
    for name, text in generate().items():
        (TARGET / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
