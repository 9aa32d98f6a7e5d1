"""What was revoked: looked at on every use of a token, whether its signature was verified just now or long ago.

    issuer, token     `iss` and `jti`         this one token
    issuer, session   `iss` and `sid`         every token of the session, whenever it was issued
    issuer, subject   `iss` and `sub`         tokens of the subject that were issued at that instant or before
    issuer, client    `iss` and `client_id`   tokens of the client, likewise
    issuer            `iss`                   tokens of the issuer, likewise

Names are compared character by character, as the issuer writes them. Tokens say when they were issued in whole seconds,
so one of the same second counts as issued before; one that does not say counts so, too. Revoking is monotone: adding
never lets a token through that was refused, in whatever order and however often it is done. What a list in a file says
is replaced with the list; what was added by a call stays until its own end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from threading import Lock
from typing import Final, TypeAlias, final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.documents import Node, Table, parse_json_document, read_source
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.verified import VerifiedToken

ALWAYS: Final = 2**63
"""Later than any token was issued."""

_LEEWAY: Final = 60_000
"""The largest leeway of a configuration: so long after its `exp`, a token is not accepted any more by anybody."""


@unique
class Scope(Enum):
    """What is revoked, by the member that names it in a list."""

    TOKEN = "token"  # noqa: S105  the name of a member
    SESSION = "session"
    SUBJECT = "subject"
    CLIENT = "client"
    ISSUER = "issuer"


class RevocationsError(CedarError):
    """A list of revocations that cannot be read."""

    code = "revocations"


Key: TypeAlias = tuple[Scope, str, str]
"""Scope, issuer, and the name of what is revoked; "" for the issuer itself."""


@final
@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of this scope that were issued at `issued_before` (ms) or before are refused.

    `ends_at` (ms) is when the revocation may be forgotten because all of these tokens have expired; None for never.
    """

    key: Key
    issued_before: int = ALWAYS
    ends_at: int | None = None


@final
class Revocations:
    """Everything that is revoked now. May be used from any thread; looking takes no lock."""

    def __init__(self) -> None:
        self._lock = Lock()
        # Both are replaced, or get one entry at a time: a reader sees the state before or after.
        self._listed: Mapping[Key, int] = {}
        self._added: dict[Key, tuple[int, int | None]] = {}  # written under: _lock

    def __len__(self) -> int:
        return len(self._listed) + len(self._added)

    def replace_list(self, revocations: Iterable[Revocation]) -> None:
        """What a list says from now on, instead of what it said before."""
        listed: dict[Key, int] = {}
        for revocation in revocations:
            listed[revocation.key] = max(listed.get(revocation.key, 0), revocation.issued_before)
        self._listed = listed

    def add(self, revocation: Revocation) -> None:
        """Revoke. In force when this returns; a second one of the same key never takes anything back."""
        with self._lock:
            before, end = self._added.get(revocation.key, (0, 0))
            later = None if end is None or revocation.ends_at is None else max(end, revocation.ends_at)
            self._added[revocation.key] = (max(before, revocation.issued_before), later)

    def forget(self, now: int) -> None:
        """Drop what was added and concerns only tokens that have expired at `now` (ms)."""
        with self._lock:
            self._added = {
                key: (before, end) for key, (before, end) in self._added.items() if end is None or now < end + _LEEWAY
            }

    def refuse_revoked(self, token: VerifiedToken) -> None:
        """Raises IdentityError (REVOKED) for a token that was revoked."""
        if not self._listed and not self._added:
            return
        issuer = token.issuer
        if (
            self._covers((Scope.ISSUER, issuer, ""), token)
            or (token.token_id is not None and self._covers((Scope.TOKEN, issuer, token.token_id), token))
            or (token.session is not None and self._covers((Scope.SESSION, issuer, token.session), token))
            or (token.name is not None and self._covers((Scope.SUBJECT, issuer, token.name), token))
            or (token.client is not None and self._covers((Scope.CLIENT, issuer, token.client), token))
        ):
            raise IdentityError("the token was revoked", Refusal.REVOKED)

    def _covers(self, key: Key, token: VerifiedToken) -> bool:
        listed = self._listed.get(key)
        added = self._added.get(key)
        if listed is None and added is None:
            return False
        issued_at = token.issued_at
        return issued_at is None or issued_at <= max(listed or 0, added[0] if added is not None else 0)


def load_revocations(path: Path) -> tuple[Revocation, ...]:
    """The list in a file. Raises RevocationsError when it cannot be read, CedarError with a place for what it says.

    A file that is not there is no empty list: everything that it revoked would be accepted again.
    """
    return read_revocations(read_source(path, RevocationsError, "`identity.revocations` names a list of revocations"))


def read_revocations(source: Source) -> tuple[Revocation, ...]:
    """The list in a text: `{"revocations": [{"issuer": "https://...", "token": "..."}, ...]}`. Each entry has the
    members of one line above, and where tokens are revoked up to an instant, `"issued_before": "2026-03-02T10:00:00Z"`.

    Raises DocumentError or JsonError, with a place.
    """
    with parse_json_document(source).table() as table:
        return tuple(_read(node) for node in table.require("revocations").items())


_WHOLE: Final = (Scope.TOKEN, Scope.SESSION)
"""Scopes that are revoked for good: neither a token nor a session begins anew under its old name."""


def _read(node: Node) -> Revocation:
    with node.table() as table:
        issuer = table.require("issuer").text()
        scope, name = _scope(node, table)
        before = table.get("issued_before")
        if scope in _WHOLE:
            if before is not None:
                before.refuse_key("a token or a session is revoked for good", "remove `issued_before`")
            return Revocation((scope, issuer, name))
        if before is None:
            node.refuse("`issued_before` is missing", "say up to which instant tokens are revoked")
        return Revocation((scope, issuer, name), before.instant())


def _scope(node: Node, table: Table) -> tuple[Scope, str]:
    named = [
        (scope, found.text()) for scope in Scope if scope is not Scope.ISSUER and (found := table.get(scope.value))
    ]
    if len(named) > 1:
        node.refuse("this names two things at once", "write one entry for each")
    return named[0] if named else (Scope.ISSUER, "")
