"""`python -m benchmarks NAME`: run one benchmark; `--help` of each says what it measures."""

import argparse
import inspect
import sys
from pathlib import Path

from benchmarks import cache, compare, evaluator, identity, language, load, memory, reload, scale, startup

_DATA = Path("../shared/data/cedar")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)

    def benchmark(name: str, module: object, help: str) -> argparse.ArgumentParser:
        sub = names.add_parser(name, help=help, description=inspect.getdoc(module), formatter_class=_Formatter)
        sub.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="where to write the figures")
        return sub

    for name, module, help in (
        ("evaluator", evaluator, "one uncached decision, beside the Rust engine's own time"),
        ("language", language, "parsing, validating and formatting, beside the Rust engine's binding"),
    ):
        sub = benchmark(name, module, help)
        sub.add_argument("--data", type=Path, default=_DATA, help="folder of the Cedar data")
        sub.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the sample world")
        sub.add_argument("--passes", type=int, default=5, help="passes over everything in each turn (default 5)")
    sub = benchmark("scale", scale, "a decision among 100 to 1,000,000 policies")
    sub.add_argument("--most", type=int, default=1_000_000, help="policies at most (default 1,000,000)")
    sub.add_argument("--passes", type=int, default=40, help="times that every request is decided (default 40)")
    sub = benchmark("load", load, "loading links, and changing them while decisions are made")
    sub.add_argument("--links", type=int, default=1_000_000, help="links at most (default 1,000,000)")
    sub.add_argument("--changes", type=int, default=1_000, help="links added and removed (default 1,000)")
    sub = benchmark("memory", memory, "bytes for each link and each entity")
    sub.add_argument("--count", type=int, default=1_000_000, help="of each (default 1,000,000)")
    sub = benchmark("reload", reload, "decisions while a bundle is reloaded, beside decisions while none is")
    sub.add_argument("--policies", type=int, default=10_000, help="policies in the bundle (default 10,000)")
    sub.add_argument("--times", type=int, default=20, help="reloads (default 20)")
    sub.add_argument("--rate", type=int, default=1_000, help="questions a second (default 1,000)")
    sub = benchmark("startup", startup, "a cold start, from sources and from a built bundle")
    sub.add_argument("--policies", type=int, default=10_000, help="policies in the bundle (default 10,000)")
    sub.add_argument("--starts", type=int, default=9, help="starts of each kind (default 9)")
    sub = benchmark("identity", identity, "each kind of credential, verified for the first time and shown again")
    sub.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the sample world")
    sub.add_argument("--times", type=int, default=3_000, help="times that each is shown (default 3,000)")
    sub = benchmark("cache", cache, "a cached decision, a change among many, and a flood")
    sub.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the sample world")
    sub.add_argument("--entries", type=int, default=100_000, help="answers among which one changes (default 100,000)")
    sub.add_argument("--flood", type=int, default=10_000_000, help="requests of the flood (default 10,000,000)")
    sub.add_argument("--passes", type=int, default=500, help="times that every request is asked (default 500)")
    sub.add_argument("--parts", nargs="+", choices=cache.PARTS, default=cache.PARTS, help="which parts (default all)")
    sub = names.add_parser(
        "compare", help="what became slower between two results", description=inspect.getdoc(compare)
    )
    sub.add_argument("before", type=Path)
    sub.add_argument("after", type=Path)
    sub.add_argument("--tolerance", type=float, default=0.1, help="change that is no regression (default 0.1)")
    arguments = parser.parse_args()
    match arguments.name:
        case "evaluator":
            evaluator.run(arguments.data, arguments.policies, arguments.passes, arguments.results)
        case "language":
            language.run(arguments.data, arguments.policies, arguments.passes, arguments.results)
        case "scale":
            scale.run(arguments.most, arguments.passes, arguments.results)
        case "load":
            load.run(arguments.links, arguments.changes, arguments.results)
        case "memory":
            memory.run(arguments.count, arguments.results)
        case "reload":
            reload.run(arguments.policies, arguments.times, arguments.rate, arguments.results)
        case "cache":
            sizes = arguments.entries, arguments.flood, arguments.passes
            cache.run(arguments.policies, *sizes, arguments.parts, arguments.results)
        case "identity":
            identity.run(arguments.policies, arguments.times, arguments.results)
        case "startup":
            startup.run(arguments.policies, arguments.starts, arguments.results)
        case _:
            sys.exit(compare.run(arguments.before, arguments.after, arguments.tolerance))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the modules' docstrings."""


if __name__ == "__main__":
    main()
