"""DPoP as it is configured: the verifier of proofs, with its memory and its nonces, and what is loaded for it.

The memory begins with the process. Proofs that may have been used before are refused, which is for the first seconds
after the start every proof: unless nonces are demanded whose secret nobody had before.
"""

from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes
from typing import Final, TypeAlias, final

from pdp.config.credentials import DpopConfig
from pdp.identity.dpop import ProofVerifier
from pdp.identity.nonces import MIN_SECRET, Nonces, load_secret
from pdp.identity.replay import ReplayMemory

PutInPlace: TypeAlias = Callable[[], None]
"""Puts in place what was read, and cannot fail."""


@final
class Proving:
    """Holds the one verifier of proofs of a process. `leeway` and `started`, the time of its start, are in ms."""

    def __init__(self, config: DpopConfig, leeway: int, started: int) -> None:
        nonce = config.nonce
        self._config = config
        own = None if nonce is None or nonce.secret is not None else Nonces(token_bytes(MIN_SECRET), nonce.period)
        # A proof that was made up to now, by a clock that is ahead of ours, is refused up to this instant for its age.
        forgotten = 0 if own is not None else started + leeway + config.window + leeway
        self.verifier: Final = ProofVerifier(config, leeway, ReplayMemory(config.places, forgotten), own)

    def sources(self) -> tuple[Path, ...]:
        """The files that `load` reads."""
        nonce = self._config.nonce
        return () if nonce is None or nonce.secret is None else (nonce.secret,)

    def load(self) -> PutInPlace:
        """Read the secret of the nonces, if there is one. Raises SecretError, with nothing changed."""
        nonce = self._config.nonce
        if nonce is None or nonce.secret is None:
            return _nothing
        nonces = Nonces(load_secret(nonce.secret), nonce.period)

        def put() -> None:
            self.verifier.nonces = nonces

        return put


def _nothing() -> None:
    """There is nothing to put in place."""
