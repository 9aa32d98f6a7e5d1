"""The obligation `header:<name>=<value>`: a policy that permits sets a header of the request for the upstream.

Checked when policies are loaded, and again when one is carried out: a header that cannot be set makes a deny.
"""

import re
from typing import Final, NamedTuple

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import PolicySet
from pdp.engine.decider import Obligation
from pdp.engine.obligations import read_obligations

KIND: Final = "header"
"""The obligation's kind."""

OWN_PREFIX: Final = "x-pdp-"
"""Header names that are ours: no client and no policy may set one."""

_FORM: Final = re.compile(r"([a-z][a-z0-9-]*)=([\x20-\x7e]*)")

_RESERVED: Final = frozenset(
    {
        *("authorization", "connection", "content-length", "content-type", "cookie", "forwarded", "host"),
        *("keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"),
        *("upgrade", "x-request-id"),
    }
)
_RESERVED_PREFIXES: Final = (OWN_PREFIX, "x-envoy-", "x-forwarded-")
# Headers that carry credentials, frame the message or steer a proxy: a team's policy must not reach them.


class Header(NamedTuple):
    """A header name in lower case and a value in printable ASCII."""

    name: str
    value: str


class BadHeader(ValueError):
    """The obligation sets no header that may be set; the text says why, to follow the obligation's name."""


def read_header(duty: Obligation) -> Header:
    """The header that an obligation of this kind sets. Raises BadHeader."""
    match = _FORM.fullmatch(duty.argument)
    if match is None:
        raise BadHeader("is not of the form `header:<name>=<value>`")
    name, value = match.groups()
    if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
        raise BadHeader("names a header that policies may not set")
    return Header(name, value)


def policy_headers(policies: PolicySet) -> frozenset[str]:
    """The names of all headers that a policy of this set may set. Raises PolicySetError for one that it may not."""
    names = set()
    for policy in (*policies.static.values(), *policies.templates.values()):
        for duty in read_obligations(policy):
            if duty.kind != KIND:
                continue
            try:
                names.add(read_header(duty).name)
            except BadHeader as error:
                raise PolicySetError(
                    f"obligation `{duty.kind}:{duty.argument}` of policy `{policy.id}` {error}",
                    span=policy.span,
                    source=policy.source,
                    help="write the name in lower case and the value in printable ASCII; names that carry "
                    f"credentials, frame messages, steer proxies or begin with `{OWN_PREFIX}` are refused",
                ) from error
    return frozenset(names)
