"""Names for requests that came without one."""

import os


def new_request_id() -> str:
    """128 random bits in hexadecimal: unique without asking anybody."""
    return os.urandom(16).hex()
