"""Built bundles for tests: written from what was parsed, read as an operator's, and compared to the last span."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from pdp.cedar.entities import Entities
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.schema.model import Schema
from pdp.policies.built.building import build_parsed
from pdp.policies.built.reading import read_built
from pdp.policies.built.writing import write_built
from pdp.policies.bundle import Bundle, parse_bundle, read_sources
from pdp.policies.steps import finish

EMPTY = Schema({}, {})


def sha(data: bytes) -> str:
    """The hash of a file."""
    return sha256(data).hexdigest()


def read(data: bytes, directory: Path = Path("there"), revision: str | None = None) -> Bundle:
    """The bundle of a file whose hash is trusted."""
    return finish(read_built(data, sha(data), directory, revision))


def both_ways(directory: Path) -> tuple[Bundle, Bundle]:
    """The bundle of a directory as it was parsed, and as it was built and read."""
    sources = read_sources(directory)
    parsed = parse_bundle(sources)
    return parsed, read(build_parsed(directory, sources, parsed), directory)


def rebuilt(policies: PolicySet, schema: Schema = EMPTY) -> Bundle:
    """Any policies, written and read. Their links come back with them."""
    plain = PolicySet((*policies.static.values(), *policies.templates.values()))
    every = (*plain.static.values(), *plain.templates.values())
    sources = {id(policy.source): policy.source for policy in every if policy.source is not None}
    named = [(source.name, source) for source in sources.values()]
    bundle = read(write_built(Bundle(plain, schema, "ab" * 32), named), Path())
    return dataclasses.replace(bundle, policies=bundle.policies.with_links(policies.links))


def exactly(value: object) -> Any:
    """A value with everything in it that can be told, places and annotations included, to be compared by `==`."""
    if isinstance(value, Entities):  # facts, which no bundle holds: which ones must do
        return sorted(entity.uid for entity in value)
    if isinstance(value, Exception):
        return type(value).__name__, value.args, vars(value)
    if isinstance(value, Enum) or not dataclasses.is_dataclass(value):
        if isinstance(value, Mapping):
            return [(exactly(key), exactly(each)) for key, each in value.items()]
        if isinstance(value, tuple | list):
            return [type(value).__name__, *map(exactly, value)]
        return type(value).__name__, value
    name = "Policy" if isinstance(value, Policy) else type(value).__name__
    fields = [each.name for each in dataclasses.fields(value) if not each.name.startswith("_accepts")]
    return name, [(field, exactly(getattr(value, field))) for field in fields]
