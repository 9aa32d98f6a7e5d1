"""The public corpus: the verdict on each policy is that of its authors, and of the Rust validator.

The default run takes a seeded sample of it, the profile `nightly` all.
"""

import json
import random
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from fuzzing import rounds
from shared_data import shared_data

from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set
from pdp.cedar.validate.findings import Severity
from pdp.cedar.validate.validator import validate_policies

CASES: Final = 7_809
JUDGED: Final = 7_750
"""Cases of which the Rust validator's own words are there, too."""


@cache
def members(archive: str) -> Mapping[str, bytes]:
    """The files of an archive by name, without their folder; read as they are, since they may hold bare CRs."""
    with tarfile.open(shared_data(f"cedar/{archive}")) as tar:
        files = ((member, tar.extractfile(member)) for member in tar if member.isfile())
        return {PurePosixPath(member.name).name: file.read() for member, file in files if file is not None}


def sample() -> Iterator[str]:
    names = members("corpus-tests-4.10.tar.gz")
    ids = sorted(name.removesuffix(".cedar") for name in names if name.endswith(".cedar"))
    assert len(ids) == CASES
    yield from random.Random(7).sample(ids, min(rounds(800), CASES))


def refused(id: str) -> set[str]:
    """The policies of a case that we refuse."""
    files = members("corpus-tests-4.10.tar.gz")
    schema = parse_schema(Source(f"{id}.cedarschema", files[f"{id}.cedarschema"].decode()))
    policies = parse_policy_set(Source(f"{id}.cedar", files[f"{id}.cedar"].decode()))
    return {each.policy_id for each in validate_policies(policies, schema) if each.severity is Severity.ERROR}


def test_verdicts() -> None:
    files = members("corpus-tests-4.10.tar.gz")
    verdicts: Counter[bool] = Counter()
    for id in sample():
        expected = json.loads(files[f"{id}.json"])["shouldValidate"]
        assert (not refused(id)) is expected, id
        verdicts[expected] += 1
    assert min(verdicts[True], verdicts[False]) > 100


def test_verdicts_of_the_rust_validator_on_each_policy() -> None:
    judged = members("corpus-validation-4.10.tar.gz")
    assert len([name for name in judged if name.endswith(".validation.json")]) == JUDGED
    count = 0
    for id in sample():
        if f"{id}.validation.json" in judged:
            verdict = json.loads(judged[f"{id}.validation.json"])["policyValidation"]
            strict = {policy for policy, of in verdict["perPolicy"].items() if not of["strict"]}
            assert refused(id) == strict
            assert (not strict) is verdict["strict"]
            count += 1
    assert count > 700
