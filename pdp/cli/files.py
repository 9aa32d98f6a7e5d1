"""The files that a verb is given to read or to write."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import Final

import typer

from pdp.cedar.source import Source
from pdp.cli.output import plain
from pdp.documents import MAX_FILE, DocumentError, decode, read_source
from pdp.documents.trees import find_files

STANDARD: Final = Path("-")
"""Stands for standard input."""


def policy_files(paths: Sequence[Path], *suffixes: str) -> list[Path]:
    """Each file once, in the order of the arguments: a file whatever its name, and all below a folder with a suffix.

    Raises DocumentError for a folder that cannot be listed, and for one that holds none: it is hardly what was meant.
    """
    files: dict[str, Path] = {}
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted({file for suffix in suffixes for file in find_files(path, suffix)})
            if not found:
                names = " or ".join(f"`*{suffix}`" for suffix in suffixes)
                raise DocumentError(f"there is no policy file here: no {names}", source=_named(path))
        for file in found:
            files.setdefault(os.path.realpath(file), file)
    return list(files.values())


def read_input(path: Path) -> Source:
    """The text of a file, or of standard input. Raises DocumentError."""
    if path != STANDARD:
        return read_source(path)
    data = typer.get_binary_stream("stdin").read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise DocumentError("standard input is too long", help=f"at most {MAX_FILE} bytes are read")
    return decode("<standard input>", data)


def write_file(path: Path, text: str) -> None:
    """Put a text in a file, as `write_bytes` does. Raises DocumentError."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Put some bytes in a file, in place of what it holds; its mode stays, and so does a link to it.

    Whatever happens meanwhile, the file holds the old bytes or the new ones, and no part of either. Raises
    DocumentError.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not (S_ISREG(mode) and os.access(target, os.W_OK)):
            raise DocumentError("this is not a file that may be written", source=_named(path))
        with temporary.open("xb") as file:
            try:
                if mode is not None:
                    temporary.chmod(S_IMODE(mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                temporary.unlink()
                raise
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise DocumentError(f"cannot write the file: {reason}", source=_named(path)) from fault


def write_out(text: str) -> None:
    """Write a text to standard output as it is: it is for another program."""
    typer.get_binary_stream("stdout").write(text.encode())


def _named(path: Path) -> Source:
    return Source(plain(str(path)), "")
