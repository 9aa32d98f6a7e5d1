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
    """The token is bound to a key of its sender, and nobody here checks that the sender holds it."""
    CLAIMS = "claims"
    """A claim that is needed is missing, or one that is read has another form."""


@final
class IdentityError(CedarError):
    """A credential that is not believed. `code` is the cause, the value of a `Refusal`.

    The message may be shown to anybody: it never repeats what the credential says.
    """

    def __init__(self, message: str, refusal: Refusal = Refusal.CLAIMS) -> None:
        super().__init__(message)
        self.code = refusal.value
