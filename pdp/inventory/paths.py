"""Request paths, read so that every server behind us reads the same (RFC 3986, sections 2.3, 3.3 and 6.2.2).

A path that two servers could take for different ones is refused, not repaired: dot segments, empty segments, encoded
slashes, backslashes and NULs, path parameters, what is not ASCII, what is encoded twice, what a server that trims
segments or folds compatible characters (NFKC) would read as another one. So the decision is about the very path that
the upstream serves.
"""

import re
import unicodedata
from typing import Final

MAX_PATH: Final = 8 * 1024
"""Characters in a path that is looked at."""

SEGMENT: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]+")
"""A segment of a path that needs no escape. `;` is not among its characters: it begins parameters, which some servers
cut off and others do not."""

_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_REFUSED_IN_TEXT: Final = re.compile(r"[/\\;\x00-\x1f\x7f-\x9f]|%[0-9A-Fa-f]{2}")


def split_path(path: str) -> tuple[str, ...] | None:
    """The segments of a path without its query, escapes of unreserved characters decoded; None when it is refused.

    The last segment is empty for a path that ends in `/`; no other one is. Every segment has a text (`segment_text`).
    """
    if len(path) > MAX_PATH or _PATH.fullmatch(path) is None:
        return None
    segments = tuple(_ESCAPE.sub(_decode_unreserved, segment) for segment in path[1:].split("/"))
    if "" in segments[:-1] or "." in segments or ".." in segments:
        return None
    return segments if all(map(_has_one_meaning, segments)) else None


def segment_text(segment: str) -> str:
    """What a segment that `split_path` gave stands for: its escapes decoded, once, as UTF-8."""
    return _decode(segment).decode()


def _has_one_meaning(segment: str) -> bool:
    try:
        text = _decode(segment).decode()
    except UnicodeDecodeError:
        return False
    # A text that holds an escape again (`%2541`) would be another one to a server that decodes twice.
    if _REFUSED_IN_TEXT.search(text) is not None or text.strip() != text:
        return False
    if text.isascii():
        return True
    # `%EF%BC%8F` is a slash of full width, and a slash to a server that folds what it reads.
    folded = unicodedata.normalize("NFKC", text)
    return _REFUSED_IN_TEXT.search(folded) is None and folded.strip() == folded and folded not in (".", "..")


def _decode(segment: str) -> bytes:
    plain, *escaped = segment.split("%")
    return plain.encode("ascii") + b"".join(bytes.fromhex(part[:2]) + part[2:].encode("ascii") for part in escaped)


def _decode_unreserved(escape: re.Match[str]) -> str:
    byte = int(escape[1], 16)
    return chr(byte) if byte in _UNRESERVED else escape[0]
