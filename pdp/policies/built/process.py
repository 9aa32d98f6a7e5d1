"""Building in a process of its own, so that the one that answers questions keeps its interpreter.

The child is this program's own and new each time: it gets the directory, and answers in a file without a name that
nobody else has. The answer has its own hash, and is read as any built bundle is.

A file and no pipe: what comes through a pipe must be put together, and that holds up every thread of this process for
some milliseconds.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import IO, Final, NoReturn, final

from pdp.cedar.errors import CedarError
from pdp.cedar.text.lexer import printable
from pdp.policies.built.child import BUILT, FAULT, FIRMLY, GENTLY, HASH, read_fault

COMMAND: Final = (sys.executable, "-P", "-m", "pdp.policies.built.child")
"""The child. `-P`: what lies in the current directory must not stand for a module of ours."""

GENTLE_SECONDS: Final = 30.0
"""How long a child may take that gets a processor only when nobody else wants it; then another one begins anew."""

_HERE: Final = str(Path(__file__).parents[3])
_TOLD: Final = 300
"""Characters of what the child said last that are told."""


class BuildError(CedarError):
    """The process that builds came to no answer: it could not be started, crashed, or was killed."""

    code = "build_process"


class BuildTimeout(BuildError):
    """The process that builds took longer than it may, and was killed."""

    code = "build_timeout"


@final
class BuildProcess:
    """Builds bundles, one at a time. `seconds` is how long one may take, besides what it was tried gently (`child`);
    `command` is another child, for tests.
    """

    def __init__(self, seconds: float, command: Sequence[str] = COMMAND, *, gentle: float = GENTLE_SECONDS) -> None:
        self._seconds = seconds
        self._gentle = min(gentle, seconds)
        self._command = tuple(command)
        self._lock = Lock()
        # guarded by: _lock
        self._running: subprocess.Popen[bytes] | None = None
        self._cancelled = False

    def build(self, directory: Path) -> tuple[memoryview, str]:
        """The built form of the bundle in a directory, and its SHA-256 as the child has told it.

        Raises CedarError: what is wrong with the sources, with the code that it has; or BuildError.
        """
        try:
            try:
                return self._built(directory, GENTLY, self._gentle)
            except BuildTimeout:
                return self._built(directory, FIRMLY, self._seconds)
        except OSError as fault:
            raise BuildError(
                f"the process that builds cannot be started: {(fault.strerror or str(fault)).lower()}",
                help="where no process may be started, write `reload: thread` below `policies`",
            ) from fault

    def _built(self, directory: Path, manner: str, seconds: float) -> tuple[memoryview, str]:
        with _nameless() as answer, _nameless() as said:
            process = self._start((*self._command, manner, str(directory)), answer, said)
            code = self._wait(process, seconds)
            return _read(code, _all_of(answer), _all_of(said))

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> int:
        """The exit code of a child. Raises BuildTimeout."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise BuildTimeout(
                f"building the bundle took longer than {seconds:g} seconds and was ended",
                help="give it more time with `policies.build_timeout`",
            ) from late
        finally:
            with self._lock:
                self._running = None
            if process.poll() is None:  # whatever happened, leave no child behind
                process.kill()
                process.wait()

    def cancel(self) -> None:
        """End the child that runs, if one does, and let none begin any more. For whoever stops."""
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                self._running.kill()

    def _start(self, command: Sequence[str], answer: IO[bytes], said: IO[bytes]) -> subprocess.Popen[bytes]:
        """A child. Raises OSError if there is none."""
        paths = [_HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._lock:
            if self._cancelled:
                raise BuildError("nothing is built any more: the decision point stops")
            self._running = subprocess.Popen(  # noqa: S603  our own interpreter, module and directory
                command,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=said,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                process_group=0,  # a Ctrl-C is for the decision point, which ends it
            )
            return self._running


def _nameless() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("built"), "w+b")
    return tempfile.TemporaryFile()


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _read(code: int, answer: bytes, said: bytes) -> tuple[memoryview, str]:
    if code == 0 and answer.startswith(FAULT):
        raise _fault(answer[len(FAULT) :])
    if code != 0 or not answer.startswith(BUILT):
        _refuse(code, said)
    whole = memoryview(answer)[len(BUILT) :]
    digest, data = bytes(whole[:HASH]), whole[HASH:]
    if sha256(data).digest() != digest:
        _refuse(code, b"its answer is not whole")
    return data, digest.hex()


def _fault(told: bytes) -> CedarError:
    try:
        return read_fault(told)
    except (ValueError, TypeError):
        return BuildError("the process that builds told a fault that cannot be read")


def _refuse(code: int, said: bytes) -> NoReturn:
    last = said.decode(errors="replace").strip().rpartition("\n")[2][:_TOLD]
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    raise BuildError(
        f"the process that builds came to no answer: it {ended}", help=f"it said: {printable(last)}" if last else None
    )
