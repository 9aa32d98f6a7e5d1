"""`ipaddr`: the parser and the range functions, by cases, by round trip and against the Rust engine."""

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rust_engine import disagreements
from texts import mutants

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.ext import ipaddr
from pdp.cedar.values import IPAddr, quote

READ = {
    "0.0.0.0": IPAddr(4, 0, 32),
    "10.0.0.1": IPAddr(4, 0x0A000001, 32),
    "10.0.0.1/32": IPAddr(4, 0x0A000001, 32),
    "10.0.0.1/24": IPAddr(4, 0x0A000001, 24),
    "10.0.0.1/0": IPAddr(4, 0x0A000001, 0),
    "255.255.255.255/8": IPAddr(4, 0xFFFFFFFF, 8),
    "::": IPAddr(6, 0, 128),
    "::1": IPAddr(6, 1, 128),
    "::/0": IPAddr(6, 0, 0),
    "1::": IPAddr(6, 1 << 112, 128),
    "1:2:3:4:5:6:7::": IPAddr(6, 0x0001_0002_0003_0004_0005_0006_0007_0000, 128),
    "::2:3:4:5:6:7:8": IPAddr(6, 0x0000_0002_0003_0004_0005_0006_0007_0008, 128),
    "1:2:3:4:5:6:7:8": IPAddr(6, 0x0001_0002_0003_0004_0005_0006_0007_0008, 128),
    "ABCD:ef01::/16": IPAddr(6, 0xABCDEF01 << 96, 16),
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128": IPAddr(6, (1 << 128) - 1, 128),
}
REFUSED = [
    "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "256.0.0.1", "01.2.3.4", "1.2.3.00", "1.2.3.4/", "/8",
    "1.2.3.4/33", "1.2.3.4/00", "1.2.3.4/08", "1.2.3.4/+8", "1.2.3.4/-1", "1.2.3.4//8", "1.2.3.4/8/8",
    "1.2.3.4/255.0.0.0",
    " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "1.2.3.\u0664", "0x1.2.3.4", ":", ":::", "1::2::3", "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", ":1::", "1:", ":1",
    "12345::", "g::",
    "::1.2.3.4", "::ffff:1.2.3.4", "fe80::1%eth0", "[::1]", "::/129", "::/0128", "::1/", "1.2.3.4:80",
    "0000:0000:0000:0000:0000:0000:0000:00000/128", "::\uff11", "-1.2.3.4",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    assert ipaddr.parse(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_refuses(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        ipaddr.parse(text)
    assert caught.value.kind is ErrorKind.EXTENSION


def test_equality_needs_the_same_prefix_and_host_bits() -> None:
    assert ipaddr.parse("10.0.0.1/24") != ipaddr.parse("10.0.0.2/24")
    assert ipaddr.parse("10.0.0.1") == ipaddr.parse("10.0.0.1/32")
    assert ipaddr.parse("::") != ipaddr.parse("0.0.0.0")


addresses = st.one_of(
    st.builds(IPAddr, st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(IPAddr, st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 128)),
    st.builds(  # with long runs of zero groups
        lambda groups, prefix: IPAddr(6, sum(g << 16 * i for i, g in enumerate(groups)), prefix),
        st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF]), min_size=8, max_size=8),
        st.integers(0, 128),
    ),
)


@given(addresses)
def test_format_parses_back(value: IPAddr) -> None:
    assert ipaddr.parse(ipaddr.format(value)) == value


@given(addresses)
def test_format_is_the_standard_one(value: IPAddr) -> None:
    standard = ipaddress.IPv4Address(value.address) if value.version == 4 else ipaddress.IPv6Address(value.address)
    assert ipaddr.format(value).partition("/")[0] == str(standard)


@given(addresses, addresses)
def test_range_is_that_of_the_networks(value: IPAddr, network: IPAddr) -> None:
    assert ipaddr.is_in_range(value, network) == _is_subnet(value, network)


@given(addresses, st.integers(0, 128), st.integers(0, 127))
def test_range_is_that_of_the_networks_near_its_edges(value: IPAddr, prefix: int, flipped: int) -> None:
    bits = 32 if value.version == 4 else 128
    for address in (value.address, value.address ^ 1 << flipped % bits):
        network = IPAddr(value.version, address, prefix % (bits + 1))
        assert ipaddr.is_in_range(value, network) == _is_subnet(value, network)


def _is_subnet(value: IPAddr, network: IPAddr) -> bool:
    if value.version != network.version:
        return False
    # By version: the standard `ip_network` takes any small number for an IPv4 address.
    if value.version == 4:
        return ipaddress.IPv4Network((value.address, value.prefix), strict=False).subnet_of(
            ipaddress.IPv4Network((network.address, network.prefix), strict=False)
        )
    return ipaddress.IPv6Network((value.address, value.prefix), strict=False).subnet_of(
        ipaddress.IPv6Network((network.address, network.prefix), strict=False)
    )


def test_reads_what_the_rust_engine_reads() -> None:
    rng = random.Random(2)
    texts = [*READ, *REFUSED, *mutants(rng, READ, "0123456789abcdefABCDEF:::...//% g\u0661", 4_000)]
    cases = [_case(text) for text in texts]
    assert sum(outcome == "true" for _, outcome in cases) > 500
    assert disagreements(cases) == []


def _case(text: str) -> tuple[str, str]:
    written = f"ip({quote(text)})"
    try:
        value = ipaddr.parse(text)
    except EvaluationError:
        return f"{written} == {written}", "extension_error"
    return f'{written} == ip("{ipaddr.format(value)}")', "true"
