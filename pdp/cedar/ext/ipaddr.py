"""`ipaddr`: an IPv4 or IPv6 address with a prefix length (`Cedar/Spec/Ext/IPAddr.lean`).

Parsed by hand: Python's `ipaddress` accepts zones, dotted quads inside IPv6 and netmasks, and refuses host bits.
"""

import re
from typing import Final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext.reading import bad_text
from pdp.cedar.limits import MAX_IP_TEXT
from pdp.cedar.values import IPAddr

_OCTET: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_GROUP: Final = re.compile(r"[0-9a-fA-F]{1,4}")
_GROUPS: Final = 8
_BITS: Final = {4: 32, 6: 128}

_LOOPBACK: Final = {4: IPAddr(4, 127 << 24, 8), 6: IPAddr(6, 1, 128)}
_MULTICAST: Final = {4: IPAddr(4, 224 << 24, 4), 6: IPAddr(6, 0xFF << 120, 8)}


def parse(text: str) -> IPAddr:
    """The value of `ip(text)`. Raises EvaluationError (extension error)."""
    if len(text) > MAX_IP_TEXT:
        raise _bad(text, f"expected at most {MAX_IP_TEXT} characters")
    address_text, slash, prefix_text = text.partition("/")
    version = 6 if ":" in address_text else 4
    address = _ipv6(address_text) if version == 6 else _ipv4(address_text)
    if address is None:
        raise _bad(text, "expected `a.b.c.d` or an IPv6 address, with an optional `/prefix`")
    if not slash:
        return IPAddr(version, address, _BITS[version])
    if _OCTET.fullmatch(prefix_text) is None or int(prefix_text) > _BITS[version]:
        raise _bad(text, f"expected a prefix from 0 to {_BITS[version]} without leading zeros")
    return IPAddr(version, address, int(prefix_text))


def _bad(text: str, rule: str) -> EvaluationError:
    return bad_text(text, "IP address", rule)


def _ipv4(text: str) -> int | None:
    octets = text.split(".")
    if len(octets) != 4 or any(_OCTET.fullmatch(octet) is None or int(octet) > 255 for octet in octets):
        return None
    return int.from_bytes(bytes(int(octet) for octet in octets))


def _ipv6(text: str) -> int | None:
    head, gap, tail = text.partition("::")
    left = head.split(":") if head else []
    right = tail.split(":") if tail else []
    # A second `::` leaves an empty group in `right` and fails below.
    missing = _GROUPS - len(left) - len(right)
    if (missing < 1) if gap else (missing != 0):
        return None
    groups = [*left, *["0"] * missing, *right]
    if any(_GROUP.fullmatch(group) is None for group in groups):
        return None
    address = 0
    for group in groups:
        address = address << 16 | int(group, 16)
    return address


def format(value: IPAddr) -> str:
    """The text that `parse` reads as this value; IPv6 as RFC 5952 has it. A full prefix is left out."""
    address = _format_ipv4(value.address) if value.version == 4 else _format_ipv6(value.address)
    return address if value.prefix == _BITS[value.version] else f"{address}/{value.prefix}"


def _format_ipv4(address: int) -> str:
    return ".".join(str(octet) for octet in address.to_bytes(4))


def _format_ipv6(address: int) -> str:
    groups = [f"{address >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, length = _longest_zero_run(groups)
    if length < 2:
        return ":".join(groups)
    return f"{':'.join(groups[:start])}::{':'.join(groups[start + length :])}"


def _longest_zero_run(groups: list[str]) -> tuple[int, int]:
    """Start and length of the first longest run of zero groups (RFC 5952, section 4.2.3)."""
    best = (0, 0)
    start = 0
    for index, group in enumerate(groups):
        if group != "0":
            start = index + 1
        elif index + 1 - start > best[1]:
            best = (start, index + 1 - start)
    return best


def is_ipv4(value: IPAddr) -> bool:
    """`value.isIpv4()`."""
    return value.version == 4


def is_ipv6(value: IPAddr) -> bool:
    """`value.isIpv6()`."""
    return value.version == 6


def is_loopback(value: IPAddr) -> bool:
    """`value.isLoopback()`: wholly inside 127.0.0.0/8 or ::1/128."""
    return is_in_range(value, _LOOPBACK[value.version])


def is_multicast(value: IPAddr) -> bool:
    """`value.isMulticast()`: wholly inside 224.0.0.0/4 or ff00::/8."""
    return is_in_range(value, _MULTICAST[value.version])


def is_in_range(value: IPAddr, network: IPAddr) -> bool:
    """`value.isInRange(network)`: same family, and every address of the one is in the other."""
    if value.version != network.version or value.prefix < network.prefix:
        return False
    host_bits = _BITS[network.version] - network.prefix
    return value.address >> host_bits == network.address >> host_bits
