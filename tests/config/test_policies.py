"""The section `policies`."""

from pathlib import Path

import pytest

from pdp.cedar.source import Source
from pdp.config.policies import PolicyConfig, ReloadIn, is_sha256, read_policies
from pdp.documents import DocumentError, parse_yaml

BASE = Path("/etc/pdp")
HASH = "0123456789abcdef" * 4


def read(text: str) -> PolicyConfig:
    return read_policies(parse_yaml(Source("pdp.yaml", text)), BASE)


def test_the_defaults() -> None:
    assert read("directory: bundle") == PolicyConfig(BASE / "bundle", None, None, True, ReloadIn.PROCESS, 600_000)


def test_everything() -> None:
    text = f"{{directory: b, built: b.pdpb, built_sha256: {HASH}, rebuild: false, reload: thread, build_timeout: 1m}}"
    assert read(text) == PolicyConfig(BASE / "b", BASE / "b.pdpb", HASH, False, ReloadIn.THREAD, 60_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{directory: b, built: x}", "`built` is given without `built_sha256`"),
        (f"{{directory: b, built_sha256: {HASH}}}", "`built_sha256` is given without `built`"),
        ("{directory: b, rebuild: true}", "`rebuild` is given without `built`"),
        ("{directory: b, built: x, built_sha256: abc}", "is no SHA-256"),
        (f"{{directory: b, built: x, built_sha256: {HASH.upper()}}}", "is no SHA-256"),
        ("{directory: b, reload: fork}", "`reload` cannot be"),
        ("{directory: b, build_timeout: 999ms}", "build_timeout"),
        ("{directory: b, build_timeout: 61m}", "build_timeout"),
        ("{directory: b, cache: x}", "cache"),
        ("{reload: thread}", "directory"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read(text)


@pytest.mark.parametrize("text", ["", HASH[:-1], HASH + "0", f"{HASH}\n", HASH.upper(), "g" * 64])
def test_what_is_no_hash(text: str) -> None:
    assert not is_sha256(text)
    assert is_sha256(HASH)
