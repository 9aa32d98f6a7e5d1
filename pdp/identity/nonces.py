"""Nonces that a server hands out and recognises without keeping them (RFC 9449, sections 8 and 9).

A nonce is a MAC over the number of a period of time. One is good in its own period and in the next: so whoever shows it
had it from a server with this secret at most two periods ago, and nobody can make one in advance.
"""

import hmac
from pathlib import Path
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.documents import read_source
from pdp.identity import base64url

MIN_SECRET: Final = 32
"""Bytes of the shortest secret."""

_PURPOSE: Final = b"pdp dpop nonce\0"
"""So that the MAC of another use of the secret is no nonce."""


class SecretError(CedarError):
    """A secret that cannot be read, or is too short."""

    code = "dpop_secret"


def load_secret(path: Path) -> bytes:
    """The secret in a file: all of it, without white space around. Raises SecretError."""
    source = read_source(path, SecretError, "`identity.dpop.nonce.secret` names a file with a secret")
    secret = source.text.strip().encode("utf-8")
    if len(secret) < MIN_SECRET:
        # Without a span: the excerpt in the message would print the secret.
        raise SecretError(
            f"the secret has less than {MIN_SECRET} bytes", source=source, help="write 64 random hexadecimal digits"
        )
    return secret


@final
class Nonces:
    """Nonces of one secret. `period` is in milliseconds. May be used from any thread."""

    def __init__(self, secret: bytes, period: int) -> None:
        """Raises ValueError for a secret of less than MIN_SECRET bytes."""
        if len(secret) < MIN_SECRET:
            raise ValueError(f"the secret has less than {MIN_SECRET} bytes")
        self._secret = secret
        self._period = period

    def current(self, now: int) -> str:
        """The nonce to hand out at `now` (ms since 1970 UTC)."""
        return self._nonce(now // self._period)

    def accepts(self, nonce: str, now: int) -> bool:
        """Whether this is the nonce of the present period or of the one before."""
        shown = nonce.encode("utf-8", "surrogatepass")
        number = now // self._period
        # Both are compared, whatever the first one says, and in constant time.
        matches = [hmac.compare_digest(self._nonce(of).encode("ascii"), shown) for of in (number, number - 1)]
        return any(matches)

    def _nonce(self, number: int) -> str:
        text = _PURPOSE + self._period.to_bytes(8) + number.to_bytes(8, signed=True)
        return base64url.encode(hmac.digest(self._secret, text, "sha256"))
