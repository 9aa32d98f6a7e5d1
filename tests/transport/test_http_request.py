"""What is believed of a request that a proxy asks about. The doors' own tests say the rest."""

import pytest

from pdp.cedar.values import IPAddr
from pdp.transport.http_request import read_ip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("::ffff:192.0.2.7", IPAddr(4, 0xC0000207, 32)),
        ("2001:db8::1", IPAddr(6, 0x20010DB8 << 96 | 1, 128)),
        ("fe80::1%eth0", IPAddr(6, 0xFE80 << 112 | 1, 128)),
        ("fe80::1%" + "z" * 120, IPAddr(6, 0xFE80 << 112 | 1, 128)),
        ("fe80::1%" + "z" * 121, None),
        *((text, None) for text in ("", "/run/envoy.sock", "192.0.2", "192.0.2.0/24", "0300.0.2.7", "1.2.3.4:5", "é")),
    ],
)
def test_addresses(text: str, expected: IPAddr | None) -> None:
    assert read_ip(text) == expected
