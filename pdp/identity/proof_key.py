"""The public key that a DPoP proof brings along (RFC 9449, section 4.2), and its thumbprint (RFC 7638).

Here alone a key is taken from the message that it verifies: that message proves nothing but that its sender holds the
key, and it is the thumbprint in the access token that says whose key that is.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.wire.strict_json import Json
from pdp.identity import base64url
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.keyset import VerificationKey, read_key_set

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
"""The members that make a key, by `kty` and in the order that its thumbprint takes them (RFC 7638, section 3.2; RFC
8037, section 2)."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_MAX_MEMBER: Final = 1400
"""Characters of one member: the modulus of an RSA key of 8,192 bits has 1,366."""

_KEYS_KEPT: Final = 1024
"""Keys that are kept after they were built, those used last. They are public, and named by all that makes them."""


def thumbprint(jwk: Json) -> str:
    """The thumbprint of a public key in base64url. Raises IdentityError (PROOF) for what cannot verify a proof."""
    return base64url.encode(sha256(_canonical(_checked(jwk)).encode("ascii")).digest())


def verification_key(jwk: Json) -> VerificationKey:
    """The key itself. Raises IdentityError (PROOF)."""
    canonical = _canonical(_checked(jwk))
    try:
        return _built(canonical)
    except CedarError:
        # Not chained: the cause holds the text.
        raise _refused("is none that is accepted") from None


@lru_cache(maxsize=_KEYS_KEPT)
def _built(canonical: str) -> VerificationKey:
    """By the rules of key sets: form, curve, length and known faults of the generator."""
    return read_key_set(Source("<jwk>", f'{{"keys": [{canonical}]}}')).keys[0]


def _checked(jwk: Json) -> Mapping[str, Json]:
    """A key that is public and may verify (RFC 7517, section 4). Members that are not known are ignored."""
    if not isinstance(jwk, dict):
        raise _refused("is not a JSON object")
    if not _PRIVATE.isdisjoint(jwk):
        raise _refused("is private or shared")
    if jwk.get("use", "sig") != "sig":
        raise _refused("is not one for signatures")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _refused("is not one for verifying")
    return jwk


def _canonical(jwk: Mapping[str, Json]) -> str:
    """The members that make the key, as RFC 7638 (section 3) hashes them."""
    kind = jwk.get("kty")
    names = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise _refused("is of no known type")
    members: dict[str, str] = {}
    for name in names:
        value = jwk.get(name)
        if not isinstance(value, str) or not value or not value.isascii() or len(value) > _MAX_MEMBER:
            raise _refused("is incomplete")
        members[name] = value
    return json.dumps(members, separators=(",", ":"))


def _refused(why: str) -> IdentityError:
    return IdentityError(f"the key of the DPoP proof {why}", Refusal.PROOF)
