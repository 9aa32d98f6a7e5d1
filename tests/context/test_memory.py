"""The store in memory keeps the contract of stores."""

from store_contract import StoreContract

from pdp.context.memory import MemoryStore
from pdp.context.store import ContextStore


class TestMemoryStore(StoreContract):
    def make(self) -> ContextStore:
        return MemoryStore()
