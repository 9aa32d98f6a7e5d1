"""Signed text: the compact form of JWS (RFC 7515), read strictly and verified against a key set.

There is one reading of a token, and it is the one here. PyJWT lends the signature algorithms and is not given the token
itself: its own reader takes the last of two members of one name, and two readers of one text can disagree.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.errors import JsonError
from pdp.cedar.source import Source
from pdp.cedar.wire.strict_json import Json, parse_json
from pdp.identity import base64url
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.keyset import KeySet

MAX_TOKEN: Final = 16 * 1024
"""Characters in one token; proxies pass on headers of 8 to 60 KiB in all."""

_NOT_HERE: Final = ("crit", "b64", "jwk", "jku", "x5c", "x5u")
"""Header parameters that refuse a token: extensions that it wants understood (RFC 7515, section 4.1.11; RFC 7797), and
keys that it brings along or wants fetched: whoever makes a token would choose what verifies it."""


@final
@dataclass(frozen=True, slots=True)
class UnverifiedJws:
    """A token taken apart. Nothing of it may be believed."""

    header: Mapping[str, Json]
    payload: bytes
    signing_input: bytes
    signature: bytes


@final
@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """What a key of the issuer has signed."""

    header: Mapping[str, Json]
    payload: bytes


def verify_jws(token: str, keys: KeySet, algorithms: Collection[str]) -> VerifiedJws:
    """What was signed. `algorithms` are those that are accepted; a key may narrow them. Raises IdentityError."""
    jws = parse_jws(token)
    check_header(jws.header, algorithms)
    verify_signature(jws, keys)
    return VerifiedJws(jws.header, jws.payload)


def check_header(header: Mapping[str, Json], algorithms: Collection[str]) -> None:
    """Returns if a header asks for nothing but one of these algorithms. Raises IdentityError."""
    for name in _NOT_HERE:
        if name in header:
            raise IdentityError(f"the token's header has `{name}`, which is not accepted", Refusal.HEADER)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise IdentityError("the token's signature algorithm is not accepted", Refusal.ALGORITHM)


def verify_signature(jws: UnverifiedJws, keys: KeySet) -> None:
    """Returns if the key that the header names has signed. `check_header` has passed it. Raises IdentityError."""
    key, algorithm = keys.find(key_id(jws.header)), jws.header["alg"]
    if key is None:
        raise IdentityError("the token is not signed by a known key", Refusal.UNKNOWN_KEY)
    # The key decides, not the token: with that, no public key can be taken for a shared secret.
    if not isinstance(algorithm, str) or algorithm not in key.algorithms:
        raise IdentityError("the token's signature algorithm is not one of its key", Refusal.ALGORITHM)
    if not key.verifies(algorithm, jws.signing_input, jws.signature):
        raise IdentityError("the token's signature is wrong", Refusal.SIGNATURE)


def key_id(header: Mapping[str, Json]) -> str | None:
    """The id of the key that a header names, if it names one. Raises IdentityError (MALFORMED)."""
    if "kid" not in header:
        return None
    kid = header["kid"]
    if not isinstance(kid, str):
        raise IdentityError("the token's key id is not a text", Refusal.MALFORMED)
    return kid


def parse_jws(token: str) -> UnverifiedJws:
    """The parts of a token. Raises IdentityError (MALFORMED)."""
    if len(token) > MAX_TOKEN:
        raise IdentityError(f"the token is longer than {MAX_TOKEN} characters", Refusal.MALFORMED)
    parts = token.split(".")
    if len(parts) != 3:
        raise IdentityError("the token does not have three parts", Refusal.MALFORMED)
    header, payload, signature = map(base64url.decode, parts)
    if header is None or payload is None or signature is None:
        raise IdentityError("a part of the token is not base64url", Refusal.MALFORMED)
    signing_input = token[: -len(parts[2]) - 1].encode("ascii")
    return UnverifiedJws(parse_object(header, "header"), payload, signing_input, signature)


def parse_object(data: bytes, part: str) -> Mapping[str, Json]:
    """The JSON object that the bytes of a part hold. Raises IdentityError (MALFORMED), which calls the part `part`."""
    try:
        value = parse_json(Source(f"<{part}>", data.decode("utf-8")))
    except (UnicodeDecodeError, JsonError):
        # Not chained: the causes hold the text.
        raise IdentityError(
            f"the token's {part} is not JSON as it is read here: no name twice, whole numbers only", Refusal.MALFORMED
        ) from None
    if not isinstance(value, dict):
        raise IdentityError(f"the token's {part} is not a JSON object", Refusal.MALFORMED)
    return value
