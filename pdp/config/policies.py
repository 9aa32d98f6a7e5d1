"""The configuration of the policy bundle: where it is, and how it is loaded."""

import re
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Final, final

from pdp.cedar.values import brief
from pdp.config.paths import path_of
from pdp.documents import Node
from pdp.documents.fields import needs

_SHA256: Final = re.compile("[0-9a-f]{64}")
_HOUR: Final = 3_600_000


@unique
class ReloadIn(Enum):
    """Where a changed bundle is parsed, validated and compiled while questions are being answered."""

    PROCESS = "process"
    THREAD = "thread"


@final
@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """The policy bundle."""

    directory: Path
    """Its sources. They need not be there if there is a built file, and are what it must be built from if they are."""
    built: Path | None = None
    """A file that `pdp build` wrote: a start from it takes a fraction of the time."""
    built_sha256: str | None = None
    """The SHA-256 of that file, as `pdp build` prints it. A file with another one is not read: it holds code, and who
    says what this hash is says what runs here."""
    rebuild: bool = True
    """Whether the sources may be read where the built file cannot be used: it is told of, and costs the time that the
    file was to save. Otherwise there is no load."""
    reload: ReloadIn = ReloadIn.PROCESS
    """Where a changed bundle is prepared: in a process of its own, so that no question waits for it, or, where none may
    be started, in a thread of this one."""
    build_timeout: int = 600_000
    """How long (ms) that process may take, 1 s to 1 h."""


def read_policies(node: Node, base: Path) -> PolicyConfig:
    """The section `policies`, with its relative paths taken from `base`. Raises DocumentError."""
    with node.table() as table:
        needs(table, "built", "built_sha256")
        needs(table, "built_sha256", "built")
        needs(table, "rebuild", "built")
        directory = path_of(table.require("directory"), base)
        default = PolicyConfig(directory)
        built, digest, rebuild = table.get("built"), table.get("built_sha256"), table.get("rebuild")
        reload, timeout = table.get("reload"), table.get("build_timeout")
        return PolicyConfig(
            directory,
            None if built is None else path_of(built, base),
            None if digest is None else _sha256(digest),
            default.rebuild if rebuild is None else rebuild.flag(),
            default.reload if reload is None else ReloadIn(reload.choice([each.value for each in ReloadIn])),
            default.build_timeout if timeout is None else timeout.duration(1000, _HOUR),
        )


def _sha256(node: Node) -> str:
    if not is_sha256(node.text()):
        node.refuse(f"{brief(node.text())} is no SHA-256", "write 64 hexadecimal digits in lower case")
    return node.text()


def is_sha256(text: str) -> bool:
    """Whether a text is a hash as `pdp build` prints it."""
    return _SHA256.fullmatch(text) is not None
