"""What validation is for (`Cedar/Thm/Validation.lean`): a valid policy does not fail on what conforms to the schema.

Three errors remain: an entity that does not exist, and here all exist; an overflow; arithmetic of datetimes.
"""

from collections import Counter

from fuzzing import rounds
from typed import outcome, samples

from pdp.cedar.entities import Entities
from pdp.cedar.errors import ErrorKind
from pdp.cedar.validate.findings import Code, Severity
from pdp.cedar.validate.validator import Validator

REMAINING = {True, False, ErrorKind.OVERFLOW, ErrorKind.EXTENSION}


def test_a_valid_policy_does_not_fail() -> None:
    outcomes: Counter[tuple[bool, bool | ErrorKind]] = Counter()
    for sample in samples(seed=1, count=rounds(400), faults=20):
        validator = Validator(sample.schema)
        for policy in sample.policies:
            findings = list(validator.policy_findings(policy))
            is_valid = not any(each.severity is Severity.ERROR for each in findings)
            is_impossible = any(each.code is Code.IMPOSSIBLE for each in findings)
            for request in sample.requests:
                result = outcome(policy, request, sample.entities)
                outcomes[is_valid, result] += 1
                if is_valid:
                    assert result in REMAINING, (policy, request)
                if is_impossible:
                    assert result is not True
    # Not for want of cases: valid policies hold and do not hold, and others fail in the ways that valid ones never do.
    assert outcomes[True, True] > 300
    assert outcomes[True, False] > 300
    assert outcomes[True, ErrorKind.OVERFLOW] > 5
    for kind in (ErrorKind.TYPE, ErrorKind.ATTRIBUTE_MISSING, ErrorKind.TAG_MISSING, ErrorKind.EXTENSION):
        assert outcomes[False, kind] > 5


def test_entities_that_do_not_exist_are_the_only_other_error() -> None:
    kinds: Counter[ErrorKind] = Counter()
    for sample in samples(seed=2, count=rounds(150)):
        validator = Validator(sample.schema)
        some = Entities([entity for number, entity in enumerate(sample.entities) if number % 3])
        for policy in sample.policies:
            if any(each.severity is Severity.ERROR for each in validator.policy_findings(policy)):
                continue
            for request in sample.requests:
                result = outcome(policy, request, some)
                assert result in REMAINING | {ErrorKind.ENTITY_MISSING}, (policy, request)
                if isinstance(result, ErrorKind):
                    kinds[result] += 1
    assert kinds[ErrorKind.ENTITY_MISSING] > 20
