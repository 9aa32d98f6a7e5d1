"""Sources to a built bundle, all in one go: what `pdp build` does, and the child of a decision point that reloads."""

from pathlib import Path

from pdp.policies.built.writing import write_built
from pdp.policies.bundle import Bundle, Sources, parse_bundle, read_sources


def build(directory: Path) -> bytes:
    """The built form of the bundle in a directory. Raises CedarError as `load_bundle` does."""
    sources = read_sources(directory)
    return build_parsed(directory, sources, parse_bundle(sources))


def build_parsed(directory: Path, sources: Sources, bundle: Bundle) -> bytes:
    """The built form of a bundle that was parsed from these sources of a directory."""
    names = [(path.relative_to(directory).as_posix(), source) for path, _, source in sources.policies]
    return write_built(bundle, names)
