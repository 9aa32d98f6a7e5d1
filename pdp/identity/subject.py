"""Who is asking, once verified: the one form in which every kind of credential reaches the engine."""

from dataclasses import dataclass
from enum import Enum, unique
from typing import final

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID


@unique
class Method(Enum):
    """How the subject was established."""

    JWT = "jwt"
    INTROSPECTION = "introspection"
    """The issuer's own word for a token that only it can read."""
    X509_SVID = "x509-svid"
    JWT_SVID = "jwt-svid"
    """A workload, known by SPIFFE."""
    ASSERTED = "asserted"


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """A subject as a Cedar entity, and how well it is known.

    `entity` holds what the credential itself says (attributes and groups, by the configured mapping); the engine joins
    the stored facts to it, and a stored fact wins. Times are milliseconds since 1970 UTC. `acr` is the authentication
    context class, `amr` the methods (RFC 8176), `authenticated_at` the `auth_time`; None or empty when not stated.
    `device` is the device that the credential is bound to, if it names one.
    """

    entity: Entity
    method: Method
    acr: str | None = None
    amr: frozenset[str] = frozenset()
    authenticated_at: int | None = None
    expires_at: int | None = None
    device: EntityUID | None = None

    @property
    def uid(self) -> EntityUID:
        """The principal of the Cedar request."""
        return self.entity.uid
