"""What is counted of identity: the issuers' keys, questions to issuers, remembered tokens, revocations.

Label values are closed lists; an issuer's is its name in the configuration.
"""

from collections.abc import Callable
from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge

from pdp.telemetry import names


@final
class IdentityMetrics:
    """All methods may be called from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._fetches = Counter(
            names.KEY_FETCHES, "Fetches of an issuer's keys", ("issuer", "outcome"), registry=registry
        )
        self._confirmed = Gauge(
            names.KEYS_CONFIRMED_AT, "When an issuer last gave or confirmed its keys", ("issuer",), registry=registry
        )
        self._questions = Counter(
            names.INTROSPECTIONS, "Questions to an issuer about a token", ("outcome",), registry=registry
        )
        cache = Counter(names.TOKEN_CACHE, "Looks for a verified token", ("outcome",), registry=registry)
        self._hits, self._misses = cache.labels("hit"), cache.labels("miss")
        self._tokens = Gauge(names.TOKENS_KEPT, "Verified tokens that are remembered", registry=registry)
        self._revoked = Gauge(names.REVOCATIONS, "Revocations in force", registry=registry)

    def declare_issuer(self, issuer: str) -> None:
        """Show the series of an issuer before its keys are first fetched."""
        self._fetches.labels(issuer, "ok")
        self._confirmed.labels(issuer)

    def keys_fetched(self, issuer: str, outcome: str, now: int) -> None:
        """An issuer has given its keys (`ok`), or has said that they are `unchanged`, at `now` (ms since 1970)."""
        self._fetches.labels(issuer, outcome).inc()
        self._confirmed.labels(issuer).set(now / 1000)

    def keys_failed(self, issuer: str, fault: str) -> None:
        """An issuer's keys could not be fetched. `fault` is from a closed list."""
        self._fetches.labels(issuer, fault).inc()

    def asked(self, outcome: str) -> None:
        """An issuer was asked about a token: `active`, `inactive`, or why there is no answer, from a closed list."""
        self._questions.labels(outcome).inc()

    def looked(self, *, found: bool) -> None:
        """A token was looked for among those that are remembered."""
        (self._hits if found else self._misses).inc()

    def show(self, tokens: Callable[[], int], revocations: Callable[[], int]) -> None:
        """Where the numbers of remembered tokens and of revocations are read whenever they are shown."""
        self._tokens.set_function(tokens)
        self._revoked.set_function(revocations)
