"""`python -m benchmarks NAME`: run one benchmark; `--help` of each says what it measures."""

import argparse
from pathlib import Path

from benchmarks import evaluator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    evaluating = names.add_parser("evaluator", help="one uncached decision, beside the Rust engine's own time")
    evaluating.add_argument("--data", type=Path, default=Path("../shared/data/cedar"), help="folder of the OOPSLA data")
    evaluating.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the sample world")
    evaluating.add_argument("--passes", type=int, default=5, help="times that every request is decided (default 5)")
    evaluating.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="where to write the JSON")
    arguments = parser.parse_args()
    evaluator.run(arguments.data, arguments.policies, arguments.passes, arguments.results)


if __name__ == "__main__":
    main()
