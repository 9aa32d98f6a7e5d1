"""Texts that are nearly right: where parsers differ."""

import random
from collections.abc import Iterable


def mutants(rng: random.Random, seeds: Iterable[str], alphabet: str, count: int) -> list[str]:
    """Seeds with one to three characters inserted, removed, replaced, doubled or moved, and spliced pairs of seeds."""
    pool = [seed for seed in seeds if len(seed) < 200]
    return [_mutant(rng, pool, alphabet) for _ in range(count)]


def _mutant(rng: random.Random, pool: list[str], alphabet: str) -> str:
    text = rng.choice(pool)
    if rng.random() < 0.1:
        other = rng.choice(pool)
        text = text[: rng.randint(0, len(text))] + other[rng.randint(0, len(other)) :]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randint(0, len(text))
        match rng.randrange(5):
            case 0:
                text = text[:at] + rng.choice(alphabet) + text[at:]
            case 1:
                text = text[:at] + text[at + 1 :]
            case 2:
                text = text[:at] + rng.choice(alphabet) + text[at + 1 :]
            case 3:
                text = text[:at] + text[at : at + 1] + text[at:]
            case _:
                to = rng.randint(0, len(text))
                text = text[:at] + text[to : to + 4] + text[at:]
    return text
