"""JSON documents that are nearly right: where readers of a fixed form differ."""

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

_STRAYS: Final[tuple[Any, ...]] = (None, True, 0, -1, "", "x", [], {}, ["x"], {"x": 1})


def json_mutants(rng: random.Random, seeds: Sequence[Any], words: Sequence[str], count: int) -> Iterator[Any]:
    """Seeds with one to three changes: something removed, renamed, replaced, added, doubled, wrapped or swapped.

    What is put in comes from the seeds, from `words` and from a few values that seldom fit.
    """
    parts = [part for seed in seeds for _, _, part in _places(seed)]
    for _ in range(count):
        mutant = deepcopy(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            places = list(_places(mutant))
            if places:
                _change(rng, *rng.choice(places)[:2], parts, words)
        yield mutant


def _places(json: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every value inside a document with the container that holds it and its key or index there."""
    pending = [json]
    while pending:
        container = pending.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(items):
            yield container, key, value
            if isinstance(value, dict | list):
                pending.append(value)


def _change(rng: random.Random, container: Any, key: Any, parts: Sequence[Any], words: Sequence[str]) -> None:
    value = container[key]
    other = deepcopy(rng.choice(parts) if rng.random() < 0.6 else rng.choice((*_STRAYS, *words)))
    match rng.randrange(8):
        case 0:
            del container[key]
        case 1 | 2:
            container[key] = other
        case 3 if isinstance(container, dict):
            renamed = {rng.choice(words) if name == key else name: held for name, held in container.items()}
            container.clear()
            container.update(renamed)
        case 4 if isinstance(container, dict):
            container[rng.choice(words)] = other
        case 5 if isinstance(value, str):
            container[key] = rng.choice(words)
        case 6:
            container[key] = [value] if rng.random() < 0.5 else {rng.choice(words): value}
        case _ if isinstance(container, list):
            container.insert(rng.randint(0, len(container)), deepcopy(value) if rng.random() < 0.5 else other)
        case _:
            second = rng.choice(list(container))
            container[key], container[second] = container[second], value
