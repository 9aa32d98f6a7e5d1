"""The header of a built bundle: what the file is, and which program may read it.

    8 bytes     89 50 44 50 42 0D 0A 1A: no text begins so, and a copy that changed line ends is told
    2 bytes     version of the format, FORMAT
    2 bytes     number of fields
    fields      each 4 bytes of length and so many bytes; texts are UTF-8:
                    Python: implementation, version and the number of its bytecode, `cpython 3.11.7 3495 cpython-311`
                    version of the Cedar language
                    version of this program
                    revision of the sources (`Bundle.revision`), 32 bytes
                    SHA-256 of the payload, 32 bytes
    8 bytes     length of the payload
    payload     `writing`; the file ends with it

Whole numbers are unsigned, most significant byte first. The header may be read by anybody; nothing in it is trusted.
"""

import platform
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from typing import Final, final

from pdp import __version__
from pdp.cedar.errors import CedarError

FORMAT: Final = 1
"""The version of the format. It changes with whatever is written or with what compiled code means; the version of this
program does, too, but not while it is being worked on."""

CEDAR: Final = "4.5"
"""The version of the Cedar language."""

PYTHON: Final = " ".join(
    (
        sys.implementation.name,
        platform.python_version(),
        str(int.from_bytes(MAGIC_NUMBER[:2], "little")),
        sys.implementation.cache_tag or "-",
    )
)
"""The Python that runs: code objects are for one alone."""

_MAGIC: Final = b"\x89PDPB\r\n\x1a"
_HASH: Final = 32
_FIELDS: Final = 5
_MOST: Final = 256
"""Bytes in a field."""


class BuiltError(CedarError):
    """A built bundle that is not read; the subclasses say why."""

    code = "built"


class BuiltUnreadable(BuiltError):
    """The file cannot be read."""

    code = "built_unreadable"


class BuiltFormat(BuiltError):
    """No built bundle, or one of another format."""

    code = "built_format"


class BuiltPython(BuiltError):
    """It was built for another Python."""

    code = "built_python"


class BuiltVersion(BuiltError):
    """It was built by another version of this program, or for another version of Cedar."""

    code = "built_version"


class BuiltHash(BuiltError):
    """It is not the file whose hash the reader was given."""

    code = "built_hash"


class BuiltDamaged(BuiltError):
    """It is not as it was written: cut off, longer, or changed."""

    code = "built_damaged"


class BuiltRevision(BuiltError):
    """It was not built from the sources that are there."""

    code = "built_revision"


@final
@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself. `revision` is in hexadecimal digits."""

    python: str
    cedar: str
    program: str
    revision: str

    def write(self, payload: bytes) -> bytes:
        """The whole file."""
        texts = [text.encode() for text in (self.python, self.cedar, self.program)]
        fields = [*texts, bytes.fromhex(self.revision), sha256(payload).digest()]
        return b"".join(
            (
                _MAGIC,
                FORMAT.to_bytes(2, "big"),
                len(fields).to_bytes(2, "big"),
                *[len(field).to_bytes(4, "big") + field for field in fields],
                len(payload).to_bytes(8, "big"),
                payload,
            )
        )

    def check(self) -> None:
        """Raises BuiltPython or BuiltVersion if it is for another program than this one."""
        if self.python != PYTHON:
            raise BuiltPython(f"the bundle was built for Python `{self.python}`, and this is `{PYTHON}`", help=_ANEW)
        if (self.program, self.cedar) != (__version__, CEDAR):
            raise BuiltVersion(
                f"the bundle was built by version {self.program} for Cedar {self.cedar}, and this is version "
                f"{__version__} for Cedar {CEDAR}",
                help=_ANEW,
            )


_ANEW: Final = "build it anew, with `pdp build`, where it is to be used"


def this_program(revision: str) -> Header:
    """The header of what is built here and now."""
    return Header(PYTHON, CEDAR, __version__, revision)


def read_header(data: bytes | memoryview) -> tuple[Header, memoryview]:
    """The header of a file, and its payload, which is not looked at but for its hash.

    Raises BuiltFormat for what is no built bundle of this format, BuiltDamaged for one that is not as it was written.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        raise BuiltFormat("this is no built bundle", help="`pdp build` writes one")
    reading = _Reading(memoryview(data)[len(_MAGIC) :])
    version = reading.number(2)
    if version != FORMAT:
        raise BuiltFormat(f"the bundle is of the format {version}, and this program reads format {FORMAT}", help=_ANEW)
    if reading.number(2) != _FIELDS:
        raise _damaged("its header has another number of fields")
    python, cedar, program = (reading.text() for _ in range(3))
    revision, digest = (bytes(reading.field(_HASH)) for _ in range(2))
    length = reading.number(8)
    payload = reading.rest
    if len(payload) != length:
        raise _damaged(f"it holds {len(payload)} bytes after its header, and should hold {length}")
    if sha256(payload).digest() != digest:
        raise _damaged("what it holds has another hash than it says")
    return Header(python, cedar, program, revision.hex()), payload


@final
class _Reading:
    """What is left of a header."""

    def __init__(self, rest: memoryview) -> None:
        self.rest = rest

    def number(self, size: int) -> int:
        """A whole number."""
        return int.from_bytes(self._take(size), "big")

    def field(self, size: int | None = None) -> memoryview:
        """A field, of this length if one is given."""
        length = self.number(4)
        if length > _MOST or (size is not None and length != size):
            raise _damaged("a field of its header has a length that it cannot have")
        return self._take(length)

    def text(self) -> str:
        """A field that is a text; what could steer a terminal is refused."""
        try:
            text = bytes(self.field()).decode()
        except UnicodeDecodeError as error:
            raise _damaged("its header is not UTF-8") from error
        if not text.isprintable():
            raise _damaged("its header is not printable")
        return text

    def _take(self, size: int) -> memoryview:
        if size > len(self.rest):
            raise _damaged("it ends within its header")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def _damaged(what: str) -> BuiltDamaged:
    return BuiltDamaged(f"the built bundle is damaged: {what}", help="copy it once more, or build it anew")
