"""`python -m benchmarks NAME`: run one benchmark; `--help` of each says what it measures."""

import argparse
from pathlib import Path

from benchmarks import evaluator, language


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    evaluating = names.add_parser("evaluator", help="one uncached decision, beside the Rust engine's own time")
    reading = names.add_parser("language", help="parsing, validating and formatting, beside the Rust engine's binding")
    for each in (evaluating, reading):
        each.add_argument("--data", type=Path, default=Path("../shared/data/cedar"), help="folder of the Cedar data")
        each.add_argument("--policies", type=Path, default=Path("policies"), help="folder of the sample world")
        each.add_argument("--passes", type=int, default=5, help="times that everything is done (default 5)")
        each.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="where to write the JSON")
    arguments = parser.parse_args()
    run = {"evaluator": evaluator.run, "language": language.run}[arguments.name]
    run(arguments.data, arguments.policies, arguments.passes, arguments.results)


if __name__ == "__main__":
    main()
