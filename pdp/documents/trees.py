"""All files of one kind below a folder."""

import os
from pathlib import Path

from pdp.cedar.errors import CedarError
from pdp.documents.files import list_folder
from pdp.documents.nodes import DocumentError


def find_files(directory: Path, suffix: str, error: type[CedarError] = DocumentError) -> tuple[Path, ...]:
    """The files below a folder whose names end in `suffix`, sorted. Raises `error` for a folder that cannot be listed.

    Names that begin with `.` are left out. Links are followed, and no folder is visited twice: they may form a circle.
    """
    found: list[Path] = []
    pending = [directory]
    visited: set[str] = set()
    while pending:
        folder = pending.pop()
        place = os.path.realpath(folder)
        if place in visited:
            continue
        visited.add(place)
        for entry in list_folder(folder, error, required=True):
            if entry.is_dir():
                pending.append(entry)
            elif entry.name.endswith(suffix):
                found.append(entry)
    return tuple(sorted(found))
