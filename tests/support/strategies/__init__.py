"""Hypothesis strategies: whole worlds of policies, entities and requests in which every operator and error occurs."""

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

from hypothesis import strategies as st

from pdp.cedar.entities import Entities
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from strategies import universe
from strategies.choices import Choices
from strategies.policy_sets import policy_set

__all__ = ["World", "make_world", "sampled_worlds", "worlds"]

_STORE_BYTES: Final = 400
_POLICY_BYTES: Final = 96
_REQUEST_BYTES: Final = 24
_SAMPLE: Final = 1_200


@dataclass(frozen=True)
class World:
    """Policies, entities, and requests to decide."""

    policies: PolicySet
    entities: Entities
    requests: tuple[Request, ...]


def make_world(store: bytes, policies: list[bytes], requests: list[bytes]) -> World:
    """The world that some bytes stand for."""
    return World(
        policy_set(policies),
        universe.store(Choices(store)),
        tuple(universe.request(Choices(entropy)) for entropy in requests),
    )


def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


@cache
def sampled_worlds() -> tuple[World, ...]:
    """Always the same worlds, of evenly drawn bytes. Hypothesis prefers small and repeated ones and reaches less."""
    rng = random.Random(20_240_229)
    return tuple(_sampled(rng) for _ in range(_SAMPLE))


def _sampled(rng: random.Random) -> World:
    policies = [rng.randbytes(rng.choice((_POLICY_BYTES, 2 * _POLICY_BYTES))) for _ in range(rng.randint(1, 20))]
    return make_world(rng.randbytes(_STORE_BYTES), policies, [rng.randbytes(_REQUEST_BYTES) for _ in range(4)])


def worlds() -> st.SearchStrategy[World]:
    """Worlds of 1 to 30 policies and 3 to 6 requests."""
    return st.builds(
        make_world,
        _bytes(_STORE_BYTES),
        st.lists(_bytes(_POLICY_BYTES), min_size=1, max_size=30),
        st.lists(_bytes(_REQUEST_BYTES), min_size=3, max_size=6),
    )
