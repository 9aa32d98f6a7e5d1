"""What a client showed of who it is: a token, and whatever came with it. Nothing here is verified yet."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import final


@unique
class Scheme(Enum):
    """How a client says that it uses its token: the scheme of `Authorization` (RFC 6750; RFC 9449, section 7.1)."""

    BEARER = "Bearer"
    DPOP = "DPoP"


@final
@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it arrived.

    `proofs` are the values of the client's `DPoP` headers, `method` and `url` those of the client's request, which a
    proof must name. `certificate` is the one (DER) that the client's TLS session was authenticated with, and `chain`
    the ones that the client sent after it, as whoever ended that session saw them.

    INVARIANT: whoever fills `certificate` trusts where it comes from; a client must not be able to write it.
    """

    token: str = ""
    scheme: Scheme = Scheme.BEARER
    proofs: tuple[str, ...] = ()
    method: str = ""
    url: str = ""
    certificate: bytes = b""
    chain: tuple[bytes, ...] = ()
