"""Why a credential is not believed: one error, and a closed list of causes."""

from enum import Enum, unique
from typing import final

from pdp.cedar.errors import CedarError


@unique
class Refusal(Enum):
    """The cause of a refusal: a closed list, fit for a metric label."""

    MALFORMED = "malformed"
    """Not three parts of canonical base64url, not strict JSON, or too long."""
    HEADER = "header"
    """The header asks for something that is not done here, such as a key of the token's own choice."""
    ALGORITHM = "algorithm"
    TYPE = "type"
    """A JWT of another kind, such as a logout token."""
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CONFIRMATION = "confirmation"
    """The token is bound to a key of its sender, who did not prove to hold it; or it was used as if it were bound."""
    PROOF = "proof"
    """The DPoP proof is not one for this request and this token."""
    NONCE = "nonce"
    """The DPoP proof is good but for its nonce: the client is to make another one, with the nonce of the error."""
    REPLAYED = "replayed"
    REPLAY_MEMORY = "replay_memory"
    """The DPoP proof may be good, and there is no place to remember that it was used."""
    CERTIFICATE = "certificate"
    """The certificate is none of a workload, or nobody who is believed vouches for it."""
    TRUST_DOMAIN = "trust_domain"
    """The workload is of a trust domain that is not known, or that has no keys at present."""
    KEYS_STALE = "keys_stale"
    """There are no keys of the issuer that may be believed: none came yet, or none for too long."""
    REVOKED = "revoked"
    INACTIVE = "inactive"
    """The issuer says that the token is not active: it does not know it, or does no longer."""
    INTROSPECTION = "introspection"
    """The issuer could not be asked about the token, or did not answer as it should."""
    CLAIMS = "claims"
    """A claim that is needed is missing, or one that is read has another form."""


@final
class IdentityError(CedarError):
    """A credential that is not believed. `code` is the cause, the value of a `Refusal`.

    The message may be shown to anybody: it never repeats what the credential says. `nonce` is the one that a DPoP proof
    must have, given with Refusal.NONCE.
    """

    def __init__(self, message: str, refusal: Refusal = Refusal.CLAIMS, nonce: str = "") -> None:
        super().__init__(message)
        self.code = refusal.value
        self.nonce = nonce
