"""When an issuer's published keys are fetched, and how long they are believed: all of it rules, none of it waiting.

    scheduled     when the answer's own freshness (RFC 9111, `max-age` less `Age`) ends, but not before MIN_REFRESH and
                  not after `refresh`; up to a tenth of that earlier, so that many decision points do not ask as one
    failed        again after 1 s, 2 s, 4 s ... at most `refresh`, each up to a half shorter
    unknown key   a token that names a key which is not there has the keys fetched at once, if the last fetch began
                  UNKNOWN_SPACING ago and the key is none that a fetch did not bring within ABSENT_FOR
    kept          keys stay until other good ones come: a fetch that fails, or brings no key that could be used, changes
                  nothing but the time of the next
    believed      for `max_age` after the last good answer (new keys, or `304 Not Modified`)

Belief is measured by the time of day, which goes on while a machine sleeps; a clock that was set back does not prolong
it. Everything else is measured by a monotonic clock (`tick`), which nobody sets. Both in milliseconds.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, final

from pdp.config.issuers import KeysUrl
from pdp.identity.keyset import KeySet

MIN_REFRESH: Final = 10_000
"""However short-lived an answer says that it is, this long (ms) passes until the next scheduled fetch."""

UNKNOWN_SPACING: Final = 10_000
"""How long (ms) after the beginning of a fetch no other one begins for a key that is not there."""

ABSENT_FOR: Final = 300_000
"""How long (ms) a key that a fetch did not bring does not cause another one."""

MAX_ABSENT: Final = 1_000
"""Such keys that are remembered; the oldest is forgotten first."""

MAX_ASKED_ID: Final = 256
"""Characters of a key id that may cause a fetch. Issuers' are names, numbers or thumbprints."""

_FIRST_PAUSE: Final = 1_000
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,10})\"?(?:$|[,\s])", re.IGNORECASE)
_NO_STORE: Final = re.compile(r"(?:^|[,\s])(?:no-store|no-cache)(?:$|[,\s=])", re.IGNORECASE)
_AGE: Final = re.compile(r"[0-9]{1,10}")
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')


@final
class Rotation:
    """The state of one issuer's keys. `chance` is a random number from 0 to below 1. Not for several threads."""

    def __init__(self, config: KeysUrl, tick: int) -> None:
        self._config = config
        self.keys: KeySet | None = None
        self.confirmed_at: int | None = None
        self.etag: str | None = None
        self.next_at = tick
        """When (tick) the next scheduled fetch begins."""
        self._began_at: int | None = None
        self._failures = 0
        self._absent: OrderedDict[str, int] = OrderedDict()

    def believed(self, now: int) -> KeySet | None:
        """The keys, None when there are none or when they are too old."""
        if self.confirmed_at is None or abs(now - self.confirmed_at) >= self._config.max_age:
            return None
        return self.keys

    def is_absent(self, kid: str, tick: int) -> bool:
        """Whether it is known that a fetch would not bring this key, or whether it is none to fetch anything for."""
        return len(kid) > MAX_ASKED_ID or tick < self._absent.get(kid, tick)

    def may_fetch(self, tick: int) -> bool:
        """Whether the keys may be fetched out of turn."""
        return self._began_at is None or tick >= self._began_at + UNKNOWN_SPACING

    def absent(self, kid: str, tick: int) -> None:
        """A fetch did not bring this key."""
        self._absent[kid] = tick + ABSENT_FOR
        self._absent.move_to_end(kid)
        while len(self._absent) > MAX_ABSENT:
            self._absent.popitem(last=False)

    def began(self, tick: int) -> None:
        """A fetch has begun."""
        self._began_at = tick

    def succeeded(self, keys: KeySet, headers: Mapping[str, str], now: int, tick: int, chance: float) -> None:
        """A fetch has brought good keys, with these headers."""
        if self.keys is None or not keys.same_as(self.keys):
            # INVARIANT: an object stands for its keys. Whoever has verified something with it can see by identity
            # that these are still the keys, and that they are no longer.
            self.keys = keys
            self._absent.clear()
        etag = headers.get("etag", "")
        self.etag = etag if _ETAG.fullmatch(etag) else None
        self.unchanged(headers, now, tick, chance)

    def unchanged(self, headers: Mapping[str, str], now: int, tick: int, chance: float) -> None:
        """The server has said that the keys are still the same."""
        self.confirmed_at = now
        self._failures = 0
        pause = min(max(_freshness(headers, self._config.refresh), MIN_REFRESH), self._config.refresh)
        self.next_at = tick + round(pause * (1 - chance / 10))

    def failed(self, tick: int, chance: float) -> None:
        """A fetch has brought nothing that could be used."""
        pause = min(_FIRST_PAUSE * 2 ** min(self._failures, 20), self._config.refresh)
        self._failures += 1
        self.next_at = tick + round(pause * (1 - chance / 2))


def _freshness(headers: Mapping[str, str], default: int) -> int:
    """How long (ms) an answer says that it is fresh (RFC 9111, section 4.2); the default if it does not say."""
    control = headers.get("cache-control", "")
    if _NO_STORE.search(control):
        return 0
    stated = _MAX_AGE.search(control)
    if stated is None:
        return default
    age = headers.get("age", "").strip()
    spent = int(age) if _AGE.fullmatch(age) else 0
    return max(int(stated[1]) - spent, 0) * 1000
