"""The issuer's public keys: a JWK Set (RFC 7517), read once into keys that know which algorithms they may verify.

PyJWT builds the keys (RFC 7518, section 6; RFC 8037). It would take more than is read here: key sets that mix secret
and public keys, two keys of one `kid`, keys for encryption, short and weak RSA keys, base64url that is not canonical.
A set with one bad key is refused whole: a file that holds something unexpected was not made for this purpose. A set
that an issuer publishes for all the world holds keys for other purposes, too; those alone are passed over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import InvalidKeyError, get_algorithm_by_name
from jwt.algorithms import Algorithm

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.documents import Node, Table, parse_json_document, read_source
from pdp.identity import base64url

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MIN_RSA_BITS: Final = 2048
"""The shortest RSA modulus (RFC 7518, section 3.3)."""

MAX_RSA_BITS: Final = 8192
"""The longest one: the time of a verification grows with the square of it."""

MIN_RSA_EXPONENT: Final = 65_537
MAX_RSA_EXPONENT: Final = 2**64 - 1
"""Bounds of the public exponent: FIPS 186-5 (section 5.1) sets the lower one, OpenSSL the upper one."""


class KeySetError(CedarError):
    """A key set that cannot be read, or that cannot serve."""

    code = "key_set"


@final
@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key. `algorithms` are all that it may verify, by name: a token cannot choose another one for it."""

    kid: str | None
    algorithms: Mapping[str, Algorithm]
    public: PublicKey

    @property
    def spki(self) -> bytes:
        """The key itself, in its one canonical form (DER of RFC 5280's SubjectPublicKeyInfo)."""
        return self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Whether a signature in JWS form (RFC 7518, section 3) is this key's. `algorithm` is one of `algorithms`."""
        return self.algorithms[algorithm].verify(message, self.public, signature)


@final
class KeySet:
    """Keys by `kid`. The `kid`s differ; a key without one is alone in its set (`read_key_set` sees to both)."""

    __slots__ = ("_by_kid", "_only", "keys")

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self.keys: Final = tuple(keys)
        self._by_kid: Final = {key.kid: key for key in self.keys if key.kid is not None}
        self._only: Final = self.keys[0] if len(self.keys) == 1 else None

    def same_as(self, other: "KeySet") -> bool:
        """Whether the other set holds the same keys for the same algorithms, in any order."""
        return self._said() == other._said()

    def _said(self) -> frozenset[tuple[str | None, bytes, frozenset[str]]]:
        return frozenset((key.kid, key.spki, frozenset(key.algorithms)) for key in self.keys)

    def find(self, kid: str | None) -> VerificationKey | None:
        """The key of this id. Without an id there is only one if the set holds only one: keys are not tried in turn."""
        return self._only if kid is None else self._by_kid.get(kid)


@final
@dataclass(frozen=True, slots=True)
class _Kind:
    """The members that hold a kind of key, and the algorithms that are made for it."""

    members: tuple[str, ...]
    algorithms: tuple[str, ...]


_RSA: Final = _Kind(("n", "e"), ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
_CURVES: Final[Mapping[str, Mapping[str, _Kind]]] = {
    "EC": {
        "P-256": _Kind(("x", "y"), ("ES256",)),
        "P-384": _Kind(("x", "y"), ("ES384",)),
        "P-521": _Kind(("x", "y"), ("ES512",)),
    },
    "OKP": {"Ed25519": _Kind(("x",), ("EdDSA",))},
}
"""Kinds by `kty` and `crv`, beside RSA, which has no curve."""

_SECRETS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Members that hold private or shared keys, of every registered `kty`."""


def load_key_set(path: Path) -> KeySet:
    """The keys of a file. Raises KeySetError when it cannot be read, CedarError with a place for what it says."""
    return read_key_set(read_source(path, KeySetError, "`identity.jwks` names a file with the issuer's JWK Set"))


def read_key_set(source: Source, *, published: bool = False) -> KeySet:
    """The keys of a text. Raises KeySetError, DocumentError or JsonError.

    Members that are not known are ignored, as RFC 7517 (sections 4 and 5) wants it. In a `published` set, so are keys
    of other types and curves, for other algorithms, and not for verifying; whatever else is wrong refuses the set.
    """
    listed = parse_json_document(source).table().require("keys")
    nodes = listed.items()
    refuse_secrets(nodes)
    if published:
        nodes = [node for node in nodes if _is_ours(node.table())]
    if not nodes:
        listed.refuse("the key set is empty", "add the issuer's public keys")
    keys: dict[str | None, VerificationKey] = {}
    for node in nodes:
        key = read_key(node)
        if key.kid is None and len(nodes) > 1:
            node.refuse("this key has no `kid`", "a key without a `kid` must be the only one of its set")
        if key.kid in keys:
            node.refuse("an earlier key has the same `kid`", "a `kid` must name one key")
        keys[key.kid] = key
    return KeySet(keys.values())


def refuse_secrets(nodes: Iterable[Node]) -> None:
    """Refuses entries of `keys` that are private. Before anything else, and without a span: the excerpt in the message
    would print the secret.
    """
    for index, node in enumerate(nodes):
        if isinstance(node.value, dict) and (found := _SECRETS & node.value.keys()):
            raise KeySetError(
                f"`keys[{index}].{min(found)}` is private: this file holds a secret",
                source=node.source,
                help="only public keys belong here; a secret that was published must be replaced",
            )


def read_key(node: Node, use: str = "sig") -> VerificationKey:
    """The key that one entry holds. `use` is what it is for, if it says so. Raises DocumentError."""
    table = node.table()
    kind = _kind(table)
    _check_purpose(table, use)
    alg, kid = table.get("alg"), table.get("kid")
    algorithms = kind.algorithms if alg is None else (alg.choice(kind.algorithms),)
    return VerificationKey(
        None if kid is None else kid.text(),
        {name: get_algorithm_by_name(name) for name in algorithms},
        _public_key(node, table, kind),
    )


def _kind(table: Table) -> _Kind:
    kty = table.require("kty").choice(("RSA", *_CURVES))
    if kty == "RSA":
        return _RSA
    curves = _CURVES[kty]
    return curves[table.require("crv").choice(curves)]


def _is_ours(table: Table) -> bool:
    """Whether a key is said to be one for verifying tokens, of a kind that is known here."""
    stated = {name: node.value for name in ("kty", "crv", "use", "alg") if (node := table.get(name)) is not None}
    kty, curve, operations = stated.get("kty"), stated.get("crv"), table.get("key_ops")
    curves = _CURVES.get(kty, {}) if isinstance(kty, str) else {}
    kind = _RSA if kty == "RSA" else curves.get(curve) if isinstance(curve, str) else None
    return (
        kind is not None
        and stated.get("use", "sig") == "sig"
        and stated.get("alg", kind.algorithms[0]) in kind.algorithms
        and (operations is None or "verify" in [operation.value for operation in operations.items()])
    )


_OPERATIONS: Final = ("sign", "verify")
"""What a key for signatures may do, as its two halves together."""


def _check_purpose(table: Table, expected: str) -> None:
    """A key that is meant for something else must not verify tokens (RFC 7517, sections 4.2 and 4.3)."""
    if (use := table.get("use")) is not None and use.text() != expected:
        use.refuse("this key is not one for signatures", f"remove the key, or state `use` as `{expected}`")
    if (operations := table.get("key_ops")) is None:
        return
    stated = [operation.text() for operation in operations.items()]
    if "verify" not in stated:
        operations.refuse("this key is not one for verifying", "remove the key, or add `verify` to its `key_ops`")
    if len(stated) != len(set(stated)) or not set(stated) <= set(_OPERATIONS):
        operations.refuse("this key is for unrelated operations, or for one twice", "let `key_ops` be `verify` alone")


def _public_key(node: Node, table: Table, kind: _Kind) -> PublicKey:
    jwk = {name: member.value for name in ("kty", "crv") if (member := table.get(name)) is not None}
    for name in kind.members:
        number = table.require(name)
        if base64url.decode(number.text()) is None:
            number.refuse(f"`{name}` is not base64url", "write it without padding, in the alphabet of `A-Za-z0-9-_`")
        jwk[name] = number.value
    try:
        key: PublicKey = get_algorithm_by_name(kind.algorithms[0]).from_jwk(jwk)
    except (InvalidKeyError, ValueError):
        members = ", ".join(f"`{name}`" for name in kind.members)
        node.refuse(f"{members} are no key of this type", "see RFC 7518, section 6, for how it is written")
    if isinstance(key, RSAPublicKey):
        _check_rsa(node, key)
    return key


def _check_rsa(node: Node, key: RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        node.refuse(f"an RSA key of {key.key_size} bits", f"from {MIN_RSA_BITS} to {MAX_RSA_BITS} bits are accepted")
    if not MIN_RSA_EXPONENT <= numbers.e <= MAX_RSA_EXPONENT:
        node.refuse("the exponent `e` of this RSA key is out of bounds", f"it is usually {MIN_RSA_EXPONENT}, `AQAB`")
    if is_roca(numbers.n):
        node.refuse("this RSA key was made by a faulty generator (CVE-2017-15361)", "the issuer must replace the key")


_ROCA_PRIMES: Final = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71),
    *(73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)


def is_roca(modulus: int) -> bool:
    """Whether a modulus has the fingerprint of Infineon's generator, whose keys can be factored.

    It is a power of 65537 modulo each small prime (Nemec and others, "The Return of Coppersmith's Attack", section 5);
    of other moduli, less than one in a hundred million is.
    """
    return all(modulus % prime in {pow(65_537, power, prime) for power in range(prime)} for prime in _ROCA_PRIMES)
