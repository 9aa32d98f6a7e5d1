"""Which proofs were used already: each is good once (RFC 9449, section 11.1).

INVARIANT: what was remembered is known until it could no longer be accepted. There is a bound of entries, and when it
is reached the next proof is refused; nothing is ever pushed out to make room.

The memory is that of one process. It knows nothing of what was used before it began, or beside it in another process:
`forgotten` is for the former, and nonces of a secret that is not shared for both.
"""

from hashlib import sha256
from heapq import heappop, heappush
from threading import Lock
from typing import Final, final

from pdp.identity.errors import IdentityError, Refusal

SHARE: Final = 4
"""One key may have a quarter of the memory: whoever makes proofs without end shuts out itself alone."""


@final
class ReplayMemory:
    """Remembers proofs by the key that made them and their `jti`. May be used from any thread.

    At most `places` of them at a time, about 300 bytes each. A proof whose `until` is not after `forgotten` (ms since
    1970 UTC) may have been used before the memory began, and is refused.
    """

    def __init__(self, places: int, forgotten: int = 0) -> None:
        self._places = places
        self._share = max(1, places // SHARE)
        self._lock = Lock()
        # guarded by: _lock
        self._forgotten = forgotten
        self._seen: set[bytes] = set()
        self._ends: list[tuple[int, bytes, str]] = []
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def use(self, key: str, jti: str, until: int, now: int) -> None:
        """Use a proof up. `until` is the first instant at which it is refused for its age, and after `now`.

        Raises IdentityError: REPLAYED if it was used or may have been, REPLAY_MEMORY if there is no place for it.
        """
        entry = sha256(f"{len(key)}:{key}{jti}".encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            self._forget(now)
            if until <= self._forgotten:
                raise IdentityError("the DPoP proof may have been used before; make a new one", Refusal.REPLAYED)
            if entry in self._seen:
                raise IdentityError("the DPoP proof has been used before", Refusal.REPLAYED)
            held = self._held.get(key, 0)
            if held >= self._share:
                raise IdentityError("the key of the DPoP proof was used too often of late", Refusal.REPLAY_MEMORY)
            if len(self._seen) >= self._places:
                raise IdentityError("no more DPoP proofs can be remembered at present", Refusal.REPLAY_MEMORY)
            self._seen.add(entry)
            self._held[key] = held + 1
            heappush(self._ends, (until, entry, key))

    def _forget(self, now: int) -> None:
        """Forget what is too old at `now`; if the clock is set back later, that is refused as forgotten."""
        while self._ends and self._ends[0][0] <= now:
            until, entry, key = heappop(self._ends)
            self._forgotten = max(self._forgotten, until)
            self._seen.remove(entry)
            if self._held[key] == 1:
                del self._held[key]
            else:
                self._held[key] -= 1
