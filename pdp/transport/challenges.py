"""What a client is told when it must show another credential: `WWW-Authenticate`, and a nonce for its next DPoP proof.

RFC 6750, section 3 (Bearer); RFC 9449, sections 7.1, 7.2 and 9 (DPoP); RFC 9470, section 3 (step-up). Where a bearer
token was refused or nothing shown, and DPoP is accepted, too, both schemes are named.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.presented import Scheme

BARE: Final = 'Bearer realm="pdp"'
"""For a request without a credential: no error, but RFC 6750 demands a parameter."""

STEP_UP: Final = "insufficient_user_authentication"

_OF_PROOFS: Final = frozenset({Refusal.PROOF.value, Refusal.REPLAYED.value, Refusal.REPLAY_MEMORY.value})
"""Causes that are the proof's and not the token's. That no more can be remembered is so, too: another proof, made
later, can be good."""


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """The value of `WWW-Authenticate`, and of `DPoP-Nonce` if it is not empty."""

    text: str
    nonce: str = ""


@final
class Challenges:
    """Makes them. `algorithms` are those of DPoP proofs, those preferred first; none where DPoP is not configured."""

    def __init__(self, algorithms: tuple[str, ...] = ()) -> None:
        self._dpop = {"algs": " ".join(algorithms)} if algorithms else {}

    def missing(self) -> Challenge:
        """For a request without a credential."""
        return Challenge(", ".join([BARE, *self._beside(Scheme.BEARER)]))

    def refused(self, error: IdentityError, scheme: Scheme) -> Challenge:
        """For a credential that was refused, and was shown by this scheme."""
        return self.invalid(error.message, scheme, _error_of(error), error.nonce)

    def invalid(
        self, message: str, scheme: Scheme = Scheme.BEARER, error: str = "invalid_token", nonce: str = ""
    ) -> Challenge:
        """For a credential that is at fault in this way."""
        own = self._dpop if scheme is Scheme.DPOP else {}
        return Challenge(", ".join([challenge_text(scheme, error, message, own), *self._beside(scheme)]), nonce)

    def _beside(self, scheme: Scheme) -> list[str]:
        """The challenge of DPoP, beside one of Bearer."""
        return [f'DPoP algs="{self._dpop["algs"]}"'] if self._dpop and scheme is Scheme.BEARER else []


def challenge_text(scheme: Scheme, error: str, description: str, more: Mapping[str, str]) -> str:
    """One challenge. `error` is a word of the RFCs; `more` are parameters without quotation marks in them."""
    # Quotation marks, backslashes and anything outside printable ASCII are not allowed in a description.
    plain = re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "'", description)
    parts = {"error": error, "error_description": plain, **more}
    return f"{scheme.value} " + ", ".join(f'{name}="{value}"' for name, value in parts.items())


def _error_of(error: IdentityError) -> str:
    if error.code == Refusal.NONCE.value:
        return "use_dpop_nonce"
    return "invalid_dpop_proof" if error.code in _OF_PROOFS else "invalid_token"
