"""Where an issuer's keys come from: a file, read when everything is read, or a URL, asked in the background.

A request never fetches. It takes the keys that are there; only for a token that names a key which is not, it waits for
a fetch that it has caused (by the rules of `rotation`) or found under way: UNKNOWN_WAIT at most, and MAX_WAITING
requests at most at one time. All others are refused at once, and so is whoever waited in vain.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import Final, Protocol, TypeAlias, assert_never, final

from pdp.cedar.errors import CedarError
from pdp.clock import Clock
from pdp.config.issuers import IssuerConfig, KeysUrl
from pdp.documents.files import decode
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.fetching import FetchError, FetchFault, HttpAnswer, HttpRequest, expect_ok, fetch, load_trust
from pdp.identity.keyset import KeySet, KeySetError, load_key_set, read_key_set
from pdp.identity.rotation import Rotation
from pdp.telemetry.identity import IdentityMetrics

UNKNOWN_WAIT: Final = 100
"""How long (ms) a request waits for a key that is not there; a proxy's usual deadline is 200."""

MAX_WAITING: Final = 4
"""Requests that wait so at one time for the keys of one issuer."""

MAX_KEY_SET: Final = 512 * 1024
"""Bytes of a key set at a URL; a key has about 1 KiB with its certificates."""

Report: TypeAlias = Callable[[str, CedarError], None]
"""Is told of an issuer whose keys could not be had, and why."""


PutInPlace: TypeAlias = Callable[[], None]
"""Puts in place what was read, and cannot fail."""


class KeySource(Protocol):
    """The keys of one issuer."""

    def current(self, now: int) -> KeySet:
        """The keys that are believed at `now`: the same object as long as they are the same.

        Raises IdentityError (KEYS_STALE).
        """
        ...

    def newer(self, kid: str, now: int) -> KeySet:
        """The keys that are believed at `now`, after looking for one that was not among them. Raises likewise."""
        ...


@final
class FileKeys:
    """Keys of a file, believed until the file is read anew."""

    def __init__(self, config: IssuerConfig, path: Path) -> None:
        self._config = config
        self._path = path
        self._keys: KeySet | None = None

    def current(self, now: int) -> KeySet:  # noqa: ARG002  the port's
        """The keys. Raises IdentityError (KEYS_STALE) before the first load."""
        if self._keys is None:
            raise _stale()
        return self._keys

    def newer(self, kid: str, now: int) -> KeySet:  # noqa: ARG002  the port's
        """The same: whoever changes the file has it loaded."""
        return self.current(now)

    def load(self) -> PutInPlace:
        """Read the file. Raises KeySetError, CedarError."""
        keys = load_key_set(self._path)
        check_usable(keys, self._config, str(self._path))

        def put() -> None:
            if self._keys is None or not keys.same_as(self._keys):
                self._keys = keys

        return put


def check_usable(keys: KeySet, config: IssuerConfig, name: str) -> None:
    """Raises KeySetError when no key could verify an algorithm that is accepted: every token would be refused."""
    if not any(set(config.algorithms) & key.algorithms.keys() for key in keys.keys):
        raise KeySetError(
            f"no key of `{name}` is one for {', '.join(config.algorithms)}",
            help="let `algorithms` list what the issuer signs with",
        )


def _stale() -> IdentityError:
    return IdentityError("the issuer's keys could not be had for too long", Refusal.KEYS_STALE)


@final
class RemoteKeys:
    """Keys at a URL. `clock` is the time of day, `tick` a monotonic clock (both ms); `chance` is random, from 0 on and
    below 1.
    """

    def __init__(
        self,
        config: IssuerConfig,
        remote: KeysUrl,
        *,
        metrics: IdentityMetrics,
        report: Report,
        clock: Clock,
        tick: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._config = config
        self._remote = remote
        self._metrics = metrics
        self._report = report
        self._clock = clock
        self._tick = tick
        self._chance = chance
        self._trust: SSLContext | None = None
        self._changed = threading.Condition()
        self._rotation = Rotation(remote, tick())  # guarded by: _changed; `believed` alone may be asked without
        self._asked: set[str] = set()  # guarded by: _changed
        self._wanted = False  # guarded by: _changed
        self._in_flight = False  # guarded by: _changed
        self._stopping = False  # guarded by: _changed
        self._completed = 0  # guarded by: _changed
        self._waiting = 0  # guarded by: _changed
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        metrics.declare_issuer(config.issuer)

    def current(self, now: int) -> KeySet:
        """The keys. Raises IdentityError (KEYS_STALE) when none were fetched, or none for too long."""
        keys = self._rotation.believed(now)
        if keys is None:
            raise _stale()
        return keys

    def newer(self, kid: str, now: int) -> KeySet:
        """The keys after a fetch, if one may be waited for. Raises IdentityError (KEYS_STALE)."""
        with self._changed:
            tick = self._tick()
            pointless = self._rotation.is_absent(kid, tick) or self._waiting >= MAX_WAITING
            under_way = self._in_flight or self._wanted
            came = self.current(now).find(kid) is not None
            if came or pointless or not (under_way or self._rotation.may_fetch(tick)):
                return self.current(now)
            self._wanted = self._wanted or not under_way
            self._asked.add(kid)
            self._changed.notify_all()
            self._wait_for_fetch(UNKNOWN_WAIT)
        return self.current(now)

    def load(self) -> PutInPlace:
        """Read the certificates to believe from the next fetch on. Raises TrustError."""
        trust = load_trust(self._remote.ca)

        def put() -> None:
            self._trust = trust

        return put

    def refresh(self) -> None:
        """Fetch as soon as possible, in the background."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def start(self) -> None:
        """Begin to fetch. `load` comes before."""
        self._thread.start()

    def wait_for_first(self, milliseconds: int) -> None:
        """Returns when the first fetch is over, whatever it brought, and after this time at the latest."""
        with self._changed:
            if self._completed == 0:
                self._wait_for_fetch(milliseconds)

    def stop(self) -> None:
        """Returns when no fetch is running and none will follow."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _wait_for_fetch(self, milliseconds: int) -> None:
        """Lets go of the lock until a fetch is over. The caller holds it."""
        completed = self._completed
        self._waiting += 1
        try:
            self._changed.wait_for(lambda: self._stopping or self._completed != completed, milliseconds / 1000)
        finally:
            self._waiting -= 1

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and not self._wanted and (left := self._rotation.next_at - self._tick()) > 0:
                    self._changed.wait(left / 1000)
                if self._stopping:
                    return
                self._wanted, self._in_flight = False, True
                self._rotation.began(self._tick())
                etag = self._rotation.etag
            outcome = self._fetch(etag)
            with self._changed:
                self._take(outcome)
                self._in_flight = False
                self._completed += 1
                self._changed.notify_all()

    def _fetch(self, etag: str | None) -> "HttpAnswer | KeyAnswer | FetchError":
        """What a fetch brings: keys, the word that they are the same, or a failure. Never raises."""
        headers = {"Accept": "application/jwk-set+json, application/json"}
        if etag is not None:
            headers["If-None-Match"] = etag
        try:
            request = HttpRequest(self._remote.url, headers)
            answer = fetch(request, self._trust, self._remote.timeout, MAX_KEY_SET)
            if answer.status == 304 and etag is not None:
                return answer
            expect_ok(answer)
            return KeyAnswer(self._read(answer.body), answer)
        except FetchError as error:
            return error
        except CedarError as error:
            return FetchError(f"the answer is no key set that can be used: {error.message}", FetchFault.CONTENT)
        except Exception as error:  # the thread must live to fetch again
            return FetchError(f"the answer could not be read: {type(error).__name__}", FetchFault.CONTENT)

    def _read(self, body: bytes) -> KeySet:
        name = self._remote.url.text
        keys = read_key_set(decode(name, body, KeySetError), published=True)
        check_usable(keys, self._config, name)
        return keys

    def _take(self, outcome: "HttpAnswer | KeyAnswer | FetchError") -> None:
        """Apply what a fetch brought. The caller holds the lock."""
        tick, chance, issuer = self._tick(), self._chance(), self._config.issuer
        match outcome:
            case FetchError():
                self._rotation.failed(tick, chance)
                self._metrics.keys_failed(issuer, outcome.fault.value)
                self._report(issuer, outcome)
            case KeyAnswer():
                now = self._clock()
                self._rotation.succeeded(outcome.keys, outcome.answer.headers, now, tick, chance)
                self._metrics.keys_fetched(issuer, "ok", now)
            case HttpAnswer():
                now = self._clock()
                self._rotation.unchanged(outcome.headers, now, tick, chance)
                self._metrics.keys_fetched(issuer, "unchanged", now)
            case _:
                assert_never(outcome)
        keys = self._rotation.keys
        if not isinstance(outcome, FetchError) and keys is not None:
            for kid in self._asked:
                if keys.find(kid) is None:
                    self._rotation.absent(kid, tick)
        self._asked.clear()


@final
class KeyAnswer:
    """Keys, and the answer that brought them."""

    __slots__ = ("answer", "keys")

    def __init__(self, keys: KeySet, answer: HttpAnswer) -> None:
        self.keys: Final = keys
        self.answer: Final = answer
