"""A bounded memory by SHA-256 of whole tokens: nothing that differs in one bit from what was put in is found.

Looking takes no lock and changes one flag; what was not looked at since it was last passed over is what goes first when
the place is needed (second chance, that is CLOCK). Only what was verified gets in here, or, in a memory of its own,
what the issuer has refused: a flood of tokens that are made up drives out nothing.
"""

from collections import OrderedDict
from hashlib import sha256
from threading import Lock
from typing import Final, Generic, TypeVar, final

Kept = TypeVar("Kept")


def token_key(token: str) -> bytes:
    """What a token is looked up by. The key does not give the token away."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


@final
class _Entry(Generic[Kept]):
    __slots__ = ("ends_at", "kept", "used", "weight")

    def __init__(self, kept: Kept, ends_at: int, weight: int) -> None:
        self.kept: Final = kept
        self.ends_at: Final = ends_at
        self.weight: Final = weight
        self.used = False


@final
class TokenCache(Generic[Kept]):
    """Keeps at most `entries` values, weighing at most `weight` together. May be used from any thread."""

    def __init__(self, entries: int, weight: int) -> None:
        self._most = entries
        self._heaviest = weight
        self._lock = Lock()
        # In the order of the hand; changed under: _lock
        self._entries: OrderedDict[bytes, _Entry[Kept]] = OrderedDict()
        self._weight = 0  # guarded by: _lock

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def weight(self) -> int:
        """What all of it weighs."""
        return self._weight

    def get(self, key: bytes, now: int) -> Kept | None:
        """What was kept under a key, if its end (ms) has not come at `now`."""
        entry = self._entries.get(key)
        if entry is None or now >= entry.ends_at:
            return None
        entry.used = True
        return entry.kept

    def put(self, key: bytes, kept: Kept, ends_at: int, weight: int) -> None:
        """Keep a value until `ends_at` (ms). What weighs more than all may together is not kept."""
        if weight > self._heaviest or self._most == 0:
            return
        with self._lock:
            self._remove(key)
            while len(self._entries) >= self._most or self._weight + weight > self._heaviest:
                self._evict()
            self._entries[key] = _Entry(kept, ends_at, weight)
            self._weight += weight

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight

    def _evict(self) -> None:
        """Remove the first entry that was not used since the hand passed it; after one round, whatever it is at."""
        for _ in range(len(self._entries)):
            key = next(iter(self._entries))
            entry = self._entries[key]
            if not entry.used:
                break
            entry.used = False
            self._entries.move_to_end(key)
        self._remove(next(iter(self._entries)))
