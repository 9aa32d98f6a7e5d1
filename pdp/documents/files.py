"""Files to texts, and folders to files: what is there is read or refused, and never passed over by mistake."""

import os
from pathlib import Path
from stat import S_ISREG
from typing import Final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source, Span
from pdp.cedar.text.lexer import printable
from pdp.documents.nodes import DocumentError

MAX_FILE: Final = 256 * 1024 * 1024
"""Bytes in one file."""


def read_source(path: Path, error: type[CedarError] = DocumentError, help: str | None = None) -> Source:
    """The text of a file of UTF-8, its line ends as they are. Raises `error`, with a place for what is not UTF-8.

    Only regular files, or links to them, of at most MAX_FILE bytes are read: a pipe would be waited for forever.
    """
    source = _unread(path)
    try:
        if not S_ISREG(path.stat().st_mode):
            raise error("this is not a file", source=source, help=help)
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as fault:
        raise error(f"cannot read the file: {_reason(fault)}", source=source, help=help) from fault
    if len(data) > MAX_FILE:
        raise error("the file is too long", source=source, help=f"at most {MAX_FILE} bytes are read")
    return decode(source.name, data, error)


def decode(name: str, data: bytes, error: type[CedarError] = DocumentError) -> Source:
    """The text of some bytes of UTF-8, its line ends as they are. Raises `error` with a place."""
    try:
        return Source(name, data.decode())
    except UnicodeDecodeError as fault:
        start = len(data[: fault.start].decode())
        shown = Source(name, data.decode(errors="replace"))
        raise error("this is not UTF-8", span=Span(start, start + 1), source=shown, help="save it as UTF-8") from fault


def list_folder(path: Path, error: type[CedarError] = DocumentError, *, required: bool = False) -> tuple[Path, ...]:
    """What a folder holds, sorted by name; nothing for one that is not there and not required. Raises `error`.

    Names that begin with `.` and files `*.md` mean nothing to any loader and are left out.
    """
    if not required and not os.path.lexists(
        path
    ):  # a link that leads nowhere is there: what it should lead to is missing
        return ()
    try:
        found = sorted(path.iterdir())
    except (OSError, ValueError) as fault:
        raise error(f"cannot list the folder: {_reason(fault)}", source=_unread(path)) from fault
    return tuple(entry for entry in found if not entry.name.startswith(".") and entry.suffix != ".md")


def list_files(path: Path, suffix: str, error: type[CedarError] = DocumentError) -> tuple[Path, ...]:
    """The files of a folder, sorted by name; nothing for a folder that is not there. Raises `error`.

    Every name must end in `suffix`: a misnamed file would silently not count.
    """
    entries = list_folder(path, error)
    for entry in entries:
        if entry.suffix != suffix:
            raise error(
                "this is not one of the files that belong here",
                source=_unread(entry),
                help=f"name it `*{suffix}` or move it away; names that begin with `.` are passed over",
            )
    return entries


def _unread(path: Path) -> Source:
    """Stands for a file that could not be read. Its name must not steer a terminal."""
    return Source(printable(str(path)), "")


def _reason(fault: OSError | ValueError) -> str:
    # A ValueError is about the name: it holds a NUL or a lone surrogate.
    reason = fault.strerror if isinstance(fault, OSError) else None
    return (reason or str(fault)).lower()
