"""Hypothesis strategies: whole worlds of policies, entities and requests in which every operator and error occurs."""

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from pdp.cedar.entities import Entities
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from strategies import universe
from strategies.choices import Choices
from strategies.policy_sets import policy_set

__all__ = ["World", "make_world", "worlds"]

_STORE_BYTES: Final = 400
_POLICY_BYTES: Final = 96
_REQUEST_BYTES: Final = 24


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


def worlds() -> st.SearchStrategy[World]:
    """Worlds of 1 to 30 policies and 3 to 6 requests."""
    return st.builds(
        make_world,
        _bytes(_STORE_BYTES),
        st.lists(_bytes(_POLICY_BYTES), min_size=1, max_size=30),
        st.lists(_bytes(_REQUEST_BYTES), min_size=3, max_size=6),
    )
