"""Everything of identity that is built from the configuration, loaded from files, started and stopped.

    load    reads every file and gives what puts it all in place, so that whoever loads more can read all of that first
    start   begins to fetch keys from URLs, and returns when each was tried once: a failure is told, and stops nothing
    stop    ends that, and what is being asked

The verifier lives as long as the decision point, with its memory of verified tokens: what is loaded anew and is the
same as before leaves that memory as it is.
"""

from collections.abc import Callable
from pathlib import Path
from secrets import SystemRandom
from time import monotonic_ns
from typing import Final, assert_never, final

from prometheus_client import CollectorRegistry

from pdp.clock import Clock
from pdp.config.identity import IdentityConfig
from pdp.config.issuers import IssuerConfig, KeysUrl
from pdp.identity.binding import WITHOUT_PROOFS, Bindings
from pdp.identity.credentials import CredentialVerifier
from pdp.identity.introspection import Introspector
from pdp.identity.jwt_svid import JwtSvids
from pdp.identity.keysource import FileKeys, KeySource, PutInPlace, RemoteKeys, Report
from pdp.identity.presented import Presented
from pdp.identity.proving import Proving
from pdp.identity.revocations import Revocations, load_revocations
from pdp.identity.subject import Subject
from pdp.identity.tokens import Issuer, TokenVerifier
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.workloads import CertificateVerifier
from pdp.telemetry.identity import IdentityMetrics

FIRST_WAIT: Final = 10_000
"""How long (ms) a start waits for the keys of all issuers together. Who comes later is refused until then."""


def verify_once(config: IdentityConfig, presented: Presented, now: int) -> Subject:
    """The subject of one token at `now` (ms), for a command: all is loaded, fetched and asked for it alone.

    Raises IdentityError, or another CedarError for files that cannot be read.
    """
    service = IdentityService(
        config, metrics=IdentityMetrics(CollectorRegistry()), report=lambda *_: None, clock=lambda: now
    )
    try:
        service.load()()
        service.start()
        return service.verifier.verify(presented, now)
    finally:
        service.stop()


def monotonic_ms() -> int:
    """A clock that nobody sets, in milliseconds."""
    return monotonic_ns() // 1_000_000


@final
class IdentityService:
    """The verifier of tokens, and what it stands on. `report` is told of keys that could not be fetched."""

    def __init__(
        self,
        config: IdentityConfig,
        *,
        metrics: IdentityMetrics,
        report: Report,
        clock: Clock,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._report = report
        self._clock = clock
        self._loads: list[Callable[[], PutInPlace]] = []
        self._remotes: list[RemoteKeys] = []
        self._introspectors: list[Introspector] = []
        self._proving = None if config.dpop is None else Proving(config.dpop, config.leeway, clock())
        bundles = None if config.spiffe is None else TrustBundles(config.spiffe)
        tokens = TokenVerifier(
            [Issuer(issuer, self._keys(issuer), self._introspector(issuer)) for issuer in config.issuers],
            config.leeway,
            metrics=metrics,
            bindings=WITHOUT_PROOFS if self._proving is None else Bindings(self._proving.verifier),
            cache=config.token_cache,
            svids=None if config.spiffe is None or bundles is None else JwtSvids(config.spiffe, bundles),
        )
        certificates = None if config.spiffe is None or bundles is None else CertificateVerifier(config.spiffe, bundles)
        self.verifier: Final = CredentialVerifier(tokens, certificates)
        self._loads += [part.load for part in (self._proving, bundles) if part is not None]

    @property
    def revocations(self) -> Revocations:
        """What is revoked; whoever learns of a revocation adds it here."""
        return self.verifier.tokens.revocations

    @property
    def proof_algorithms(self) -> tuple[str, ...]:
        """What DPoP proofs may be signed with, those preferred first; none where DPoP is not configured."""
        return () if self._config.dpop is None else self._config.dpop.algorithms

    def sources(self) -> tuple[Path, ...]:
        """The files that `load` reads."""
        named: list[Path | None] = [self._config.revocations]
        for issuer in self._config.issuers:
            named.append(issuer.jwks.ca if isinstance(issuer.jwks, KeysUrl) else issuer.jwks)
            if issuer.introspection is not None:
                named += (issuer.introspection.client_secret, issuer.introspection.ca)
        if self._config.spiffe is not None:
            named += (domain.bundle for domain in self._config.spiffe.domains.values())
        if self._proving is not None:
            named += self._proving.sources()
        return tuple(path for path in named if path is not None)

    def load(self) -> PutInPlace:
        """Read every file. Raises CedarError for the first one at fault, with nothing changed."""
        listed = self._config.revocations
        revocations = () if listed is None else load_revocations(listed)
        placed = [load() for load in self._loads]

        def put() -> None:
            for place in placed:
                place()
            self.revocations.replace_list(revocations)
            self.revocations.forget(self._clock())

        return put

    def start(self) -> None:
        """Fetch keys from now on. Returns when every URL was tried once, and after FIRST_WAIT at the latest."""
        for remote in self._remotes:
            remote.start()
        end = monotonic_ms() + FIRST_WAIT
        for remote in self._remotes:
            remote.wait_for_first(max(end - monotonic_ms(), 0))

    def refresh(self) -> None:
        """Fetch all keys as soon as possible, in the background."""
        for remote in self._remotes:
            remote.refresh()

    def stop(self) -> None:
        """Returns when nothing is fetched or asked any more; harmless when repeated."""
        for remote in self._remotes:
            remote.stop()
        for introspector in self._introspectors:
            introspector.stop()

    def _keys(self, issuer: IssuerConfig) -> KeySource | None:
        match issuer.jwks:
            case None:
                return None
            case Path():
                file = FileKeys(issuer, issuer.jwks)
                self._loads.append(file.load)
                return file
            case KeysUrl():
                remote = RemoteKeys(
                    issuer,
                    issuer.jwks,
                    metrics=self._metrics,
                    report=self._report,
                    clock=self._clock,
                    tick=monotonic_ms,
                    chance=SystemRandom().random,
                )
                self._loads.append(remote.load)
                self._remotes.append(remote)
                return remote
            case _:
                assert_never(issuer.jwks)

    def _introspector(self, issuer: IssuerConfig) -> Introspector | None:
        if issuer.introspection is None:
            return None
        introspector = Introspector(issuer.introspection, self._metrics, monotonic_ms)
        self._loads.append(introspector.load)
        self._introspectors.append(introspector)
        return introspector
