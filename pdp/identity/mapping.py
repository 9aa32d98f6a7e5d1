"""From what is known of a subject to a Cedar entity: the one mapping, configured by `PrincipalConfig`.

    id_claim, id_prefix         the entity's id
    type, type_claim, types     its type
    attributes                  its attributes: a list becomes a Set, a mapping a Record, all else stays what it is
    groups_claim, groups_type   its parents
    device_claim, device_type   the device that the credential is bound to
    id_prefix                   stands before the ids of groups and device, too
    acr, amr (always read)      how the subject authenticated (OpenID Connect Core, section 2; RFC 8176)

A claim that is read and has another form refuses the token; it is never left out, for a missing attribute may be what
keeps a `forbid` from holding. Claims that are not named are not looked at.
"""

from collections.abc import Mapping
from typing import assert_never

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.cedar.wire.strict_json import Json
from pdp.cedar.wire.values import is_escape
from pdp.config import PrincipalConfig
from pdp.identity.errors import IdentityError
from pdp.identity.subject import Method, Subject


def asserted_subject(uid: EntityUID) -> Subject:
    """A subject that a trusted caller vouches for: nothing but its name is known."""
    return Subject(Entity(uid), Method.ASSERTED)


def token_subject(
    claims: Mapping[str, Json],
    config: PrincipalConfig,
    method: Method,
    *,
    authenticated_at: int | None,
    expires_at: int,
) -> Subject:
    """The subject of a verified token, with its times (ms) as the token's rules made them. Raises IdentityError."""
    uid = _principal(claims, config)
    groups = [] if config.groups_claim is None else _texts(claims, config.groups_claim)
    parents = frozenset(EntityUID(config.groups_type, config.id_prefix + group) for group in groups)
    if uid in parents:
        raise IdentityError("the token makes its subject a member of itself")
    device = None if config.device_claim is None else text_claim(claims, config.device_claim)
    attributes = {name: _value(claims[claim], claim) for name, claim in config.attributes.items() if claim in claims}
    return Subject(
        Entity(uid, attributes, parents),
        method,
        acr=text_claim(claims, "acr"),
        amr=frozenset(_texts(claims, "amr")),
        authenticated_at=authenticated_at,
        expires_at=expires_at,
        device=None if device is None else EntityUID(config.device_type, config.id_prefix + device),
    )


def _principal(claims: Mapping[str, Json], config: PrincipalConfig) -> EntityUID:
    id = text_claim(claims, config.id_claim)
    if id is None:
        raise IdentityError(f"the token has no claim `{config.id_claim}`")
    kind = None if config.type_claim is None else text_claim(claims, config.type_claim)
    id = config.id_prefix + id
    if kind is None:
        return EntityUID(config.type, id)
    if kind not in config.types:
        raise IdentityError(f"the claim `{config.type_claim}` names no known type of subject")
    return EntityUID(config.types[kind], id)


def text_claim(claims: Mapping[str, Json], name: str) -> str | None:
    """A claim that is a text and not empty; None when it is absent. Raises IdentityError."""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, str) or not value:
        raise IdentityError(f"the claim `{name}` must be a text that is not empty")
    return value


def _texts(claims: Mapping[str, Json], name: str) -> list[str]:
    """A claim that is a list of texts that are not empty; none when it is absent."""
    value = claims.get(name, [])
    if not isinstance(value, list):
        raise IdentityError(f"the claim `{name}` must be a list of texts")
    texts = [element for element in value if isinstance(element, str) and element]
    if len(texts) != len(value):
        raise IdentityError(f"the claim `{name}` must be a list of texts that are not empty")
    return texts


def _value(json: Json, claim: str) -> Value:
    """A claim as a Cedar value. The reader of the token has bounded its depth and its numbers."""
    match json:
        case bool() | int() | str():
            return json
        case list():
            return Set([_value(element, claim) for element in json])
        case dict():
            # A token says attributes, never entities: subjects may have chosen parts of what a claim holds.
            if is_escape(json):
                raise IdentityError(f"the claim `{claim}` holds an escape, which a token cannot use")
            return Record({name: _value(value, claim) for name, value in json.items()})
        case None:
            raise IdentityError(f"the claim `{claim}` holds `null`")
        case _:
            assert_never(json)
