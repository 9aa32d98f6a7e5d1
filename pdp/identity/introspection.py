"""Asking an issuer about a token that only it can read (RFC 7662), so that one request asks once and none waits long.

    one question      requests with the same token share it while it is under way
    few at a time     ASKING connections; beyond MAX_PENDING questions, no further one is taken on
    one deadline      `timeout`, from asking to the last byte: who has waited so long is refused
    a pause           after a failure nobody asks for 0.5 s, then 1 s, 2 s ... at most 8 s; then one question tries
    kept              that a token is not active, for `inactive_age`; what an active one says is kept by who asked

INVARIANT: no answer, no access. Whatever is not the word `"active": true` in an answer that was read whole refuses.
"""

import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, final
from urllib.parse import quote_plus, urlencode

from pdp.cedar.errors import CedarError, JsonError
from pdp.cedar.source import Source
from pdp.cedar.wire.strict_json import Json, parse_json
from pdp.clock import Clock
from pdp.config.issuers import IntrospectionConfig
from pdp.documents import read_source
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.fetching import FetchError, FetchFault, HttpAnswer, HttpRequest, expect_ok, fetch, load_trust
from pdp.identity.token_cache import TokenCache
from pdp.telemetry.identity import IdentityMetrics

ASKING: Final = 4
"""Questions on the way to the issuer at one time."""

MAX_PENDING: Final = 32
"""Questions on the way or waiting for their turn."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer."""

MAX_SECRET: Final = 1024
"""Characters of a client secret."""

_INACTIVE: Final = 10_000
"""Tokens that are remembered not to be active."""

_ISSUERS_OWN: Final = (FetchFault.CONNECTION, FetchFault.TLS, FetchFault.TIMEOUT, FetchFault.UNAVAILABLE)
"""Failures that no token can bring about. Otherwise whoever finds one that the issuer chokes on could have nobody's
token asked about."""

_FIRST_PAUSE: Final = 500
_LONGEST_PAUSE: Final = 8_000


class SecretError(CedarError):
    """A file with a secret that cannot be used. The message never holds it."""

    code = "secret"


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer says of a token, and when (ms since 1970) it was asked."""

    claims: Mapping[str, Json]
    asked_at: int


@final
@dataclass(frozen=True, slots=True)
class Access:
    """How the endpoint is asked: what we authenticate with, and whom we believe that it is the endpoint."""

    authorization: str
    trust: ssl.SSLContext


def load_secret(path: Path) -> str:
    """The secret in a file, one line. Raises SecretError."""
    source = read_source(path, SecretError, "`client_secret` names a file with the secret alone")
    secret = source.text.removesuffix("\n").removesuffix("\r")
    if not secret or len(secret) > MAX_SECRET or not secret.isprintable():
        raise SecretError(
            "this is no secret",  # without an excerpt: it may be one nevertheless
            source=Source(source.name, ""),
            help=f"write the secret alone, on one line of at most {MAX_SECRET} characters",
        )
    return secret


def basic(client: str, secret: str) -> str:
    """The header that says who we are (RFC 6749, section 2.3.1: both parts are form-encoded first)."""
    return "Basic " + b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode("ascii")


def read_answer(answer: HttpAnswer) -> Mapping[str, Json]:
    """The claims of an answer (RFC 7662, section 2.2). Raises FetchError."""
    expect_ok(answer)
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise FetchError("the issuer's answer is not of the type `application/json`", FetchFault.CONTENT)
    try:
        claims = parse_json(Source("<answer>", answer.body.decode("utf-8")))
    except (UnicodeDecodeError, JsonError):
        # Not chained: the causes hold the text.
        raise FetchError("the issuer's answer is not JSON as it is read here", FetchFault.CONTENT) from None
    if not isinstance(claims, dict) or not isinstance(claims.get("active"), bool):
        raise FetchError("the issuer's answer does not say whether the token is active", FetchFault.CONTENT)
    return claims


@final
class Breaker:
    """Whether to ask at all. Pure; times are of a monotonic clock (ms). Not for several threads."""

    def __init__(self) -> None:
        self._failures = 0
        self._paused_until = 0
        self._trying = False

    def may_ask(self, tick: int) -> bool:
        """Whether a question may be put. After a failure only one may, until it is known how it went."""
        if self._failures == 0:
            return True
        if tick < self._paused_until or self._trying:
            return False
        self._trying = True
        return True

    def answered(self) -> None:
        """A question had an answer."""
        self._failures, self._trying = 0, False

    def failed(self, tick: int) -> None:
        """A question had none, for a reason that is not the token's."""
        self._trying = False
        if self._failures and tick < self._paused_until:
            return  # one of several that were on the way when the first one failed
        pause = min(_FIRST_PAUSE * 2 ** min(self._failures, 10), _LONGEST_PAUSE)
        self._failures += 1
        self._paused_until = tick + pause


@final
class Introspector:
    """Asks one issuer. May be used from any thread. `tick` is a monotonic clock (ms)."""

    def __init__(self, config: IntrospectionConfig, metrics: IdentityMetrics, tick: Clock) -> None:
        self._access: Access | None = None
        self._config = config
        self._metrics = metrics
        self._tick = tick
        self._lock = Lock()
        self._pending: dict[bytes, Future[Answer]] = {}  # guarded by: _lock
        self._breaker = Breaker()  # guarded by: _lock
        self._inactive: TokenCache[bool] = TokenCache(_INACTIVE, _INACTIVE)
        self._pool = ThreadPoolExecutor(ASKING, thread_name_prefix="introspection")

    def ask(self, token: str, key: bytes, now: int) -> Answer:
        """What the issuer says of an active token, whose `token_key` is `key`.

        Raises IdentityError (INACTIVE, INTROSPECTION).
        """
        if self._inactive.get(key, now):
            raise _inactive()
        answer = self._wait(self._question(token, key, now))
        if answer.claims["active"] is not True:
            self._inactive.put(key, True, answer.asked_at + self._config.inactive_age, 1)
            raise _inactive()
        return answer

    def load(self) -> Callable[[], None]:
        """Read secret and certificates; gives what puts them in place. Raises SecretError, TrustError."""
        config = self._config
        access = Access(basic(config.client_id, load_secret(config.client_secret)), load_trust(config.ca))

        def put() -> None:
            self._access = access

        return put

    def stop(self) -> None:
        """Returns when no question is on its way."""
        self._pool.shutdown(cancel_futures=True)

    def _question(self, token: str, key: bytes, now: int) -> "Future[Answer]":
        """The question that is under way for a token, or a new one."""
        with self._lock:
            pending = self._pending.get(key)
            if pending is not None:
                return pending
            if len(self._pending) >= MAX_PENDING:
                self._metrics.asked("busy")
                raise _unanswered("too many questions are open")
            if not self._breaker.may_ask(self._tick()):
                self._metrics.asked("paused")
                raise _unanswered("it did not answer just now")
            end = self._tick() + self._config.timeout
            try:
                question = self._pool.submit(self._ask, token, key, now, end)
            except RuntimeError:  # the pool has been shut down
                raise _unanswered("the decision point is stopping") from None
            self._pending[key] = question
            return question

    def _wait(self, question: "Future[Answer]") -> Answer:
        try:
            return question.result(self._config.timeout / 1000)
        except FutureTimeoutError:
            raise _unanswered("it takes too long") from None
        except CancelledError:
            raise _unanswered("the decision point is stopping") from None
        except FetchError:
            raise _unanswered("it could not be asked") from None

    def _ask(self, token: str, key: bytes, now: int, end: int) -> Answer:
        """Runs in the pool."""
        try:
            answer = self._exchange(token, now, end)
        except FetchError as error:
            with self._lock:
                if error.fault in _ISSUERS_OWN:
                    self._breaker.failed(self._tick())
                else:
                    self._breaker.answered()
            self._metrics.asked(error.fault.value)
            raise
        except BaseException:
            with self._lock:
                self._breaker.failed(self._tick())
            raise
        else:
            with self._lock:
                self._breaker.answered()
            self._metrics.asked("active" if answer.claims["active"] is True else "inactive")
            return answer
        finally:
            with self._lock:
                del self._pending[key]

    def _exchange(self, token: str, now: int, end: int) -> Answer:
        left = end - self._tick()
        if left <= 0:
            raise FetchError("the question did not get its turn in time", FetchFault.TIMEOUT)
        access = self._access
        if access is None:
            raise FetchError("there is nothing to authenticate with yet", FetchFault.CONNECTION)
        headers = {
            "Accept": "application/json",
            "Authorization": access.authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        request = HttpRequest(self._config.url, headers, body)
        return Answer(read_answer(fetch(request, access.trust, left, MAX_ANSWER)), now)


def _inactive() -> IdentityError:
    return IdentityError("the token is not active", Refusal.INACTIVE)


def _unanswered(why: str) -> IdentityError:
    return IdentityError(f"the issuer cannot say whether the token is active: {why}", Refusal.INTROSPECTION)
