"""Step 3 of a request, for every door: a credential becomes a `Subject`, or the call is refused and counted."""

from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol, final
from urllib.parse import unquote

from pdp.cedar.values import EntityUID
from pdp.clock import Clock
from pdp.identity.mapping import asserted_subject
from pdp.identity.subject import Subject
from pdp.identity.tokens import IdentityError
from pdp.telemetry.metrics import Metrics
from pdp.transport.errors import NotReady, Unauthenticated

ASSERTION_REFUSED: Final = "assertion_not_accepted"
"""The cause, in the metrics, of an asserted principal that was refused."""

MISSING: Final = "missing"
"""The cause of a call without any credential."""

MALFORMED: Final = "malformed_header"
"""The cause of an Authorization header that is not one bearer token."""


class Verifier(Protocol):
    """Verifies bearer tokens; `pdp.identity.tokens.TokenVerifier` is the real one."""

    def verify(self, token: str, now: int) -> Subject:
        """The token's subject at `now`. Raises IdentityError."""
        ...


@final
class Authentication:
    """Says who asks. `verifier` is None until the keys are loaded and is replaced whole when they change."""

    def __init__(self, clock: Clock, metrics: Metrics, *, accept_asserted: bool) -> None:
        self.verifier: Verifier | None = None
        self._clock = clock
        self._metrics = metrics
        self._accept_asserted = accept_asserted

    def by_token(self, token: str) -> Subject:
        """The subject of a bearer token. Raises NotReady, Unauthenticated."""
        verifier = self.verifier
        if verifier is None:
            raise NotReady("the decision point has not loaded its keys yet")
        try:
            return verifier.verify(token, self._clock())
        except IdentityError as error:
            self._metrics.identity_failed(error.code)
            raise Unauthenticated(error.message, shown=True) from error

    def by_assertion(self, uid: EntityUID, peer: str) -> Subject:
        """The subject that a caller on this machine vouches for. Raises Unauthenticated."""
        self.refuse_assertion(peer)
        return asserted_subject(uid)

    def accepts_assertions(self, peer: str) -> bool:
        """Whether a caller is believed without a proof: it is on this machine, and the configuration allows it."""
        return self._accept_asserted and is_local(peer)

    def refuse_assertion(self, peer: str) -> None:
        """Raises Unauthenticated, counted, for a caller that is not believed without a proof."""
        if not self.accepts_assertions(peer):
            self._metrics.identity_failed(ASSERTION_REFUSED)
            raise Unauthenticated("an asserted principal is not accepted from this caller", shown=True)

    def missing(self) -> Unauthenticated:
        """The error for a call without any credential, counted."""
        self._metrics.identity_failed(MISSING)
        return Unauthenticated("the request carries no credential", shown=False)

    def malformed(self) -> Unauthenticated:
        """The error for an Authorization header that is not exactly one bearer token, counted."""
        self._metrics.identity_failed(MALFORMED)
        return Unauthenticated("the Authorization header is not exactly one bearer token", shown=True)


def is_local(peer: str) -> bool:
    """Whether a gRPC peer (`ipv4:127.0.0.1:4711`, `ipv6:[::1]:4711`, `unix:...`) is on this machine.

    Whatever is not clearly so is not. A forwarder on this machine makes its clients look local: that is why the
    configuration must allow assertions, too.
    """
    family, _, rest = peer.partition(":")
    if family == "unix":
        return True
    if family not in {"ipv4", "ipv6"}:
        return False
    host = unquote(rest).rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
