"""Base64url without padding (RFC 7515, section 2), in its one canonical form."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def decode(text: str) -> bytes | None:
    """The bytes that a text stands for; None if it is not exactly how `encode` writes them.

    Read, written again, compared: foreign characters, padding, white space and set unused bits are all refused by that
    one rule. Otherwise a token would have many spellings, and a list of refused tokens could be walked around.
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if encode(data) == text else None


def encode(data: bytes) -> str:
    """The text that stands for bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
