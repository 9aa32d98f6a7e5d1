"""The configuration of proofs: DPoP, and workloads known by SPIFFE."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pdp.config.paths import path_of
from pdp.documents import Node

PROOF_ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""Signature algorithms that a DPoP proof may have. Asymmetric ones alone (RFC 9449, section 4.3, step 5)."""

_WINDOW: Final = 60_000
_PLACES: Final = 100_000
_PERIOD: Final = 300_000


@final
@dataclass(frozen=True, slots=True)
class NonceConfig:
    """Nonces that DPoP proofs must have."""

    period: int = _PERIOD
    """How long (ms) one nonce is handed out, 10 s to 1 h; it is good for one more such time. Default 5 minutes."""
    secret: Path | None = None
    """A file of at least 32 bytes, which all decision points that take the same requests share. Without one, each makes
    up its own when it starts: then no proof is good at two of them, nor before and after a restart."""


@final
@dataclass(frozen=True, slots=True)
class DpopConfig:
    """Tokens that are bound to a key of the client (RFC 9449). Without this section they are refused."""

    algorithms: tuple[str, ...] = PROOF_ALGORITHMS
    """The signature algorithms that proofs may have, of `PROOF_ALGORITHMS`, those preferred first. All by default."""
    window: int = _WINDOW
    """How long (ms) a proof is accepted after it was made, 1 s to 10 min, beside `identity.leeway`. Default 1 min."""
    places: int = _PLACES
    """How many used proofs are remembered, 1,000 to 10,000,000, about 300 bytes each; of one key at most a quarter.
    When all places are taken, proofs are refused until older ones are out of the window. Default 100,000.

    Each decision point remembers for itself: a proof can be used once at each of several, unless nonces are demanded
    and each has its own secret."""
    nonce: NonceConfig | None = None
    """Nonces, if they are demanded."""


def read_dpop(node: Node | None, base: Path) -> DpopConfig | None:
    """The section `identity.dpop`, None if there is none. Raises DocumentError."""
    if node is None:
        return None
    default = DpopConfig()
    with node.table() as table:
        algorithms, window, places = table.get("algorithms"), table.get("window"), table.get("places")
        if algorithms is not None and not algorithms.items():
            algorithms.refuse("no algorithm is allowed", f"list some of {', '.join(PROOF_ALGORITHMS)}")
        return DpopConfig(
            algorithms=default.algorithms
            if algorithms is None
            else tuple(item.choice(PROOF_ALGORITHMS) for item in algorithms.items()),
            window=default.window if window is None else window.duration(1_000, 600_000),
            places=default.places if places is None else places.integer(1_000, 10_000_000),
            nonce=_nonce(table.get("nonce"), base),
        )


def _nonce(node: Node | None, base: Path) -> NonceConfig | None:
    if node is None:
        return None
    with node.table() as table:
        period, secret = table.get("period"), table.get("secret")
        return NonceConfig(
            period=_PERIOD if period is None else period.duration(10_000, 3_600_000),
            secret=None if secret is None else path_of(secret, base),
        )
