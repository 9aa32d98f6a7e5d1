"""Bytes to a bundle, in steps; nothing is unpacked that has not the hash that it must have."""

import hmac
import marshal
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from types import CodeType
from typing import Any, Final, final

from pdp.cedar.policy import ActionScope, Policy, PolicySet
from pdp.cedar.schema.model import Schema
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.compiler.bounds import Bounds
from pdp.compiler.precompiled import Precompiled
from pdp.documents import MAX_FILE
from pdp.policies.built.constants import unpack_constant
from pdp.policies.built.header import BuiltDamaged, BuiltHash, BuiltRevision, BuiltUnreadable, read_header
from pdp.policies.built.policies import lifted_policy, unpack_policy
from pdp.policies.built.schemas import unpack_schema
from pdp.policies.built.scopes import unpack_action_scope, unpack_bounds
from pdp.policies.bundle import Bundle
from pdp.policies.steps import Steps

_LENGTH: Final = 4


def read_built_file(path: Path) -> bytes:
    """The bytes of a file. Raises BuiltUnreadable."""
    source = Source(printable(str(path)), "")
    try:
        if not S_ISREG(path.stat().st_mode):
            raise BuiltUnreadable("this is not a file", source=source)
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else None
        raise BuiltUnreadable(f"cannot read the file: {(reason or str(fault)).lower()}", source=source) from fault
    if len(data) > MAX_FILE:
        raise BuiltUnreadable("the file is too long", source=source, help=f"at most {MAX_FILE} bytes are read")
    return data


def read_built(data: bytes | memoryview, trusted: str, directory: Path, revision: str | None = None) -> Steps[Bundle]:
    """The bundle that some bytes hold, with the names that its files have in a directory, there or not.

    `trusted` is the SHA-256 that the bytes must have, in hexadecimal digits: read the package's docstring before you
    take it from anywhere else than those who may run code here. `revision` is that of the sources which it must be
    built from. Raises BuiltError, by the name of what is wrong; the hash comes last but for the payload, for a file
    that is of another version has another hash, too.
    """
    header, payload = read_header(data)
    header.check()
    if not hmac.compare_digest(sha256(data).hexdigest().encode(), trusted.lower().encode()):
        raise BuiltHash(
            f"the built bundle has the SHA-256 {sha256(data).hexdigest()}, and the one that is trusted is "
            f"{printable(trusted)}",
            help="if you trust it, give this hash; `pdp build` prints it",
        )
    if revision is not None and header.revision != revision:
        raise BuiltRevision(
            f"the bundle was built from the sources of revision {header.revision}, and those that are there are of "
            f"revision {revision}",
            help="build it anew",
        )
    try:
        return (yield from _Unpacking(payload, directory).bundle(header.revision))
    except (ValueError, TypeError, LookupError, EOFError) as error:
        # Whoever built it has a defect, for it is as it was written.
        raise BuiltDamaged("what the built bundle holds cannot be unpacked", help="build it anew") from error


@final
class _Unpacking:
    """A payload on its way to a bundle."""

    def __init__(self, payload: memoryview, directory: Path) -> None:
        self._rest = payload
        self._prefix = str(directory / "_")[:-1]
        self._sources: list[Source] = []
        self._codes: tuple[CodeType, ...] = ()
        self._scopes: list[ActionScope] = []

    def bundle(self, revision: str) -> Steps[Bundle]:
        """The bundle, a few policies at each step."""
        schema, sources, self._codes, scopes, count = self._part()
        self._sources = [Source(printable(self._prefix + name), text) for name, text in sources]
        self._scopes = [unpack_action_scope(scope) for scope in scopes]
        yield
        unpacked: Schema = unpack_schema(schema)
        yield
        compiled: list[Precompiled] = []
        static: dict[str, Policy] = {}
        templates: dict[str, Policy] = {}
        while self._rest:
            for packed in self._part():
                found = self._policy(*packed)
                compiled.append(found)
                (templates if found.is_template else static)[found.policy.id] = found.policy
                yield
        if not len(compiled) == len(static) + len(templates) == count:
            raise ValueError(count)
        return Bundle(PolicySet.of(static, templates), unpacked, revision, tuple(compiled))

    def _part(self) -> Any:
        length = int.from_bytes(self._rest[:_LENGTH], "big")
        part, self._rest = self._rest[_LENGTH : _LENGTH + length], self._rest[_LENGTH + length :]
        return marshal.loads(part)  # noqa: S302  the whole file has the hash that it must have

    def _policy(
        self, packed: Any, lifted: bytes | None, scope: int, principal: Any, resource: Any, code: int, constants: Any
    ) -> Precompiled:
        policy = unpack_policy(packed, self._sources)
        sides: tuple[Bounds, Bounds] = unpack_bounds(principal), unpack_bounds(resource)
        return Precompiled(
            policy,
            policy if lifted is None else lifted_policy(policy, lifted),
            self._scopes[scope],
            *sides,
            None if code < 0 else self._codes[code],
            tuple([unpack_constant(constant) for constant in constants]),
        )
