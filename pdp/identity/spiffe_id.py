"""Names of workloads: `spiffe://` and a trust domain, and a path (SPIFFE-ID, section 2).

One name has one spelling: the trust domain is in lower case, nothing is escaped, no segment is empty or of dots, and no
slash stands at the end. What is spelled otherwise is no name, and is not normalised to one.
"""

import re
from dataclasses import dataclass
from typing import Final, final

MAX_ID: Final = 2048
"""Characters of a whole id (section 2.3)."""

_TRUST_DOMAIN: Final = r"[a-z0-9.\-_]{1,255}"
_SEGMENT: Final = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9.\-_]+"
_NAME: Final = re.compile(_TRUST_DOMAIN)
_ID: Final = re.compile(rf"spiffe://({_TRUST_DOMAIN})((?:/{_SEGMENT})*)")


@final
@dataclass(frozen=True, slots=True)
class SpiffeId:
    """A name. `path` begins with a slash, or is empty: then it is the trust domain's own, and no workload's."""

    trust_domain: str
    path: str

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}{self.path}"


def parse_spiffe_id(text: str) -> SpiffeId | None:
    """The name that a text is; None for any other text."""
    match = _ID.fullmatch(text) if len(text) <= MAX_ID else None
    return None if match is None else SpiffeId(match[1], match[2])


def is_trust_domain(text: str) -> bool:
    """Whether a text is the name of a trust domain."""
    return _NAME.fullmatch(text) is not None
