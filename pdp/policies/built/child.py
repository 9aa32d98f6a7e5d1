"""The process that builds: `python -m pdp.policies.built.child MANNER DIRECTORY`, for `process` alone.

It writes one answer to standard output and ends: `built`, the SHA-256 of what follows, and the built bundle; or
`fault`, and what is wrong with the sources. Whatever else anybody writes to standard output goes
to standard error.
"""

import contextlib
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source, Span
from pdp.policies.built.building import build

BUILT: Final = b"built"
FAULT: Final = b"fault"
HASH: Final = 32

GENTLY: Final = "gently"
FIRMLY: Final = "firmly"
"""How it asks for a processor. Gently, it gets what nobody else wants, and leaves at once when somebody does: any other
process may keep a processor for some milliseconds on Linux, however nice it is, and whoever has a question waits. Where
the processors are never idle, it would get nowhere, and must do so firmly."""

_NICE: Final = 10


def main(manner: str, directory: str) -> None:
    """Build, and write the answer."""
    output = os.dup(1)
    os.dup2(2, 1)
    _stand_back(manner)
    try:
        data = build(Path(directory))
        answer = BUILT + sha256(data).digest() + data
    except CedarError as error:
        answer = FAULT + write_fault(error)
    with os.fdopen(output, "wb") as file:
        file.write(answer)


def _stand_back(manner: str) -> None:
    if hasattr(os, "nice"):
        os.nice(_NICE)
    if manner == GENTLY and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # not every container may
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def write_fault(error: CedarError) -> bytes:
    """An error on its way to another process."""
    source = None if error.source is None else (error.source.name, error.source.text)
    return json.dumps((error.code, error.message, error.span, source, error.help)).encode()


def read_fault(data: bytes) -> CedarError:
    """What `write_fault` was given, as far as anybody is told of it. Raises ValueError or TypeError for other bytes."""
    code, message, span, source, help = json.loads(data)
    error = CedarError(
        message,
        span=None if span is None else Span(*span),
        source=None if source is None else Source(*source),
        help=help,
    )
    error.code = code
    return error


if __name__ == "__main__":
    main(*sys.argv[1:])
