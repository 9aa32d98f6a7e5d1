"""The files of a corpus, by the names that its cases call them by."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.documents import decode, read_source
from pdp.documents.trees import find_files

MAX_UNPACKED: Final = 1024 * 1024 * 1024
"""Bytes of an archive, unpacked: it is read in memory."""

_HELP: Final = "give a folder or a packed archive (`.tar.gz`) with the files of the official integration tests"


class CorpusError(CedarError):
    """A corpus that cannot be read, or a case that is none."""

    code = "corpus"


Files: TypeAlias = Mapping[str, Callable[[], Source]]
"""Names, with `/` between their parts, and what reads the file. That raises CorpusError."""


def open_corpus(path: Path) -> Files:
    """The files of a corpus, those of an archive read, those of a folder not yet. Raises CorpusError.

    Files whose names begin with `.` are left out, among them those that macOS adds to archives (`._name`).
    """
    return dict(_packed(path) if path.is_file() else _lying(path))


def _lying(path: Path) -> Iterator[tuple[str, Callable[[], Source]]]:
    for file in find_files(path, "", CorpusError):
        yield file.relative_to(path).as_posix(), partial(read_source, file, CorpusError)


def _packed(path: Path) -> Iterator[tuple[str, Callable[[], Source]]]:
    source = Source(printable(str(path)), "")
    data = _unpacked(path, source)
    names = set()
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                path_within = PurePosixPath(member.name)
                name = path_within.as_posix()
                file = archive.extractfile(member) if member.isfile() else None
                if file is None or path_within.name.startswith("."):
                    continue
                if name in names:
                    raise CorpusError(f"the archive holds `{printable(name)}` twice", source=source)
                names.add(name)
                yield name, partial(decode, f"{source.name}/{printable(name)}", file.read(), CorpusError)
            end = archive.offset
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as fault:
        raise CorpusError(f"the archive is damaged: {fault}", source=source, help=_HELP) from fault
    # What is damaged in the middle looks to the library like the end, and cases would silently be missing.
    if data.count(0, end) != len(data) - end:
        raise CorpusError("the archive is damaged: something follows its end", source=source, help=_HELP)


def _unpacked(path: Path, source: Source) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as fault:
        raise CorpusError(f"cannot read the archive: {fault}", source=source, help=_HELP) from fault
    if len(data) > MAX_UNPACKED:
        raise CorpusError(f"the archive has more than {MAX_UNPACKED} bytes when it is unpacked", source=source)
    return data
