"""Every kind of credential, verified by the one that is for it: a token if there is one, or else a certificate.

A certificate that comes with a token is what the token may be bound to, and names nobody.
"""

from typing import Final, final

from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.identity.tokens import TokenVerifier
from pdp.identity.workloads import CertificateVerifier


@final
class CredentialVerifier:
    """Verifies credentials. `certificates` is None where no trust domain is configured. May be used from any thread."""

    def __init__(self, tokens: TokenVerifier, certificates: CertificateVerifier | None) -> None:
        self.tokens: Final = tokens
        self._certificates = certificates

    def verify(self, presented: Presented, now: int) -> Subject:
        """The subject of a credential at `now` (ms since 1970 UTC). Raises IdentityError.

        The subject's `expires_at` is the first instant at which the credential is no longer accepted.
        """
        if presented.token:
            return self.tokens.verify(presented, now)
        if self._certificates is None:
            raise IdentityError("certificates of workloads are not accepted here", Refusal.CERTIFICATE)
        return self._certificates.verify(presented, now)
