"""A token that was verified, and what of it is looked at again on every use."""

from dataclasses import dataclass
from typing import final

from pdp.identity.binding import UNBOUND, Confirmation
from pdp.identity.subject import Subject


@final
@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says, once its signature or its issuer's word, and its claims, were found good. Times are ms.

    It is believed while `not_before <= now < subject.expires_at`, unless it was revoked, and only of whom it is bound
    to (`confirmation`). `name`, `session`, `token_id` and `client` are the claims `sub`, `sid`, `jti` and `client_id`,
    each as the issuer wrote it.
    """

    subject: Subject
    issuer: str
    not_before: int
    name: str | None = None
    session: str | None = None
    token_id: str | None = None
    client: str | None = None
    issued_at: int | None = None
    confirmation: Confirmation = UNBOUND
