"""Input of no value: random bytes and damaged examples, for parsers that must be total."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from hypothesis import settings

from pdp.cedar.errors import CedarError

_NIGHTLY: Final = 20


def rounds(default: int) -> int:
    """How many inputs to try: `default`, and many more under the profile `nightly`."""
    return default * _NIGHTLY if settings().max_examples > 1_000 else default


def damaged(rng: random.Random, seeds: Sequence[bytes], signs: str, count: int) -> Iterator[bytes]:
    """One in four random bytes; the rest seeds, with `signs` put in and bytes removed, doubled or replaced."""
    for number in range(count):
        if number % 4 == 0:
            yield rng.randbytes(rng.randrange(64))
            continue
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3, 4))):
            at = rng.randrange(len(data) + 1)
            sign = rng.choice(signs).encode("utf-8", "surrogatepass")
            match rng.randrange(5):
                case 0:
                    data[at : at + 1] = b""
                case 1:
                    data[at : at + 1] = sign
                case 2:
                    data[at:at] = sign
                case 3:
                    data[at:at] = bytes([rng.randrange(256)])
                case _:
                    to = rng.randrange(len(data) + 1)
                    data[at:at] = data[to : to + rng.randrange(1, 12)]
        yield bytes(data)


def refusal(parse: Callable[[], object]) -> CedarError | None:
    """How the input was refused, None if it was read. Any exception that is not of the family escapes."""
    try:
        parse()
    except CedarError as error:
        return error
    return None
