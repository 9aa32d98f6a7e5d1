"""Finds the shared reference data beside the checkout; a test that needs it skips, with a reason, where it is not."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_data(name: str) -> Path:
    """The file or folder `name` of the shared data, read in place; skips the test when it is not there."""
    path = _SHARED / name
    if not path.exists():
        pytest.skip(f"needs the reference data ../shared/data/{name}, which is not beside this checkout")
    return path
