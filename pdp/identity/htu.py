"""The URI of an HTTP request, in the form in which DPoP compares it (RFC 9449, section 4.3, step 9).

Without query and fragment, and normalised by syntax and by scheme (RFC 3986, sections 6.2.2 and 6.2.3): scheme and host
in lower case, `%` only where it is needed and with capitals after it, no dot segments, no default port, no empty path.
Two texts with one such form name one target; whatever is not a URI of HTTP by the grammar has none.
"""

import re
from collections.abc import Mapping
from typing import Final

MAX_URI: Final = 8 * 1024
"""Characters in one URI, the query included."""

_URI: Final = re.compile(
    r"""(?P<scheme>https?)://
        (?P<host>\[[0-9a-f:.]{2,45}\]|(?:[a-z0-9\-._~!$&'()*+,;=]|%[0-9a-f]{2})+)
        (?::(?P<port>[0-9]{0,5}))?
        (?P<path>(?:/(?:[a-z0-9\-._~!$&'()*+,;=:@]|%[0-9a-f]{2})*)*)
        (?:\?[^\#]*)?(?:\#.*)?""",
    re.IGNORECASE | re.VERBOSE | re.ASCII | re.DOTALL,
)
"""An `http-URI` or `https-URI` (RFC 9110, section 4.2) without user information, which is not part of a target. What
the query and the fragment hold does not matter here."""

_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def normalised(uri: str) -> str | None:
    """The form in which the URI is compared; None for a text that is no URI of HTTP."""
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI else None
    if match is None:
        return None
    scheme = match["scheme"].lower()
    # Letters that come out of an escape are made lower case, and the escapes that stay are given capitals again.
    host = _unescaped(_unescaped(match["host"]).lower())
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if port > 65_535:
        return None
    authority = host if port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return f"{scheme}://{authority}{_without_dots(_unescaped(match['path']))}"


def _unescaped(text: str) -> str:
    """With the escapes of unreserved characters read, and all others in capitals (RFC 3986, section 6.2.2)."""

    def read(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char in _UNRESERVED else match[0].upper()

    return _ESCAPE.sub(read, text)


def _without_dots(path: str) -> str:
    """A path of segments that each begin with `/`, without `.` and `..` (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    *folders, last = path.split("/")[1:] or [""]
    for segment in folders:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if last == "..":
        del kept[-1:]
    kept.append("" if last in {".", ".."} else last)
    return "/" + "/".join(kept)
