"""Policy coverage as the command line prints it."""

from collections.abc import Iterator

from rich.text import Text

from pdp.cedar.policy import Policy
from pdp.cedar.source import Span
from pdp.cedar.text.printer import print_expression
from pdp.cedar.wire.strict_json import Json
from pdp.cli.output import place_of, plain
from pdp.cli.traces import cut
from pdp.engine.coverage import ConjunctCoverage, Coverage, PolicyCoverage

_HEADINGS = ("in scope", "satisfied", "determining")


def table(coverage: Coverage) -> Iterator[Text]:
    """Every policy with its counts, and below it its conjuncts with theirs; for what is not covered its place, too."""
    width = max((len(plain(each.policy.id)) for each in coverage.policies), default=0)
    yield Text("  ".join(("policy".ljust(width), *_HEADINGS)), "bold")
    for each in coverage.policies:
        counts = (each.in_scope, each.satisfied, each.determining)
        numbers = "  ".join(f"{count:>{len(head)}}" for count, head in zip(counts, _HEADINGS, strict=True))
        missing = _missing(each)
        note = f"  {missing}: {_place(each.policy, each.policy.span)}" if missing else ""
        yield Text.assemble(plain(each.policy.id).ljust(width), f"  {numbers}", (note, "yellow"))
        for conjunct in each.conjuncts:
            yield _conjunct(each.policy, conjunct)


def _conjunct(policy: Policy, conjunct: ConjunctCoverage) -> Text:
    counts = f"  {conjunct.true:>6} true  {conjunct.false:>6} false"
    if conjunct.failed:
        counts += f"  {conjunct.failed:>6} failed"
    text = cut(plain(print_expression(conjunct.expr)))
    lacking = [word for word, count in (("true", conjunct.true), ("false", conjunct.false)) if not count]
    note = f"  never {' and never '.join(lacking)}: {_place(policy, conjunct.expr.span)}" if lacking else ""
    return Text.assemble((counts, "dim"), f"  {conjunct.kind.value:<6}  {text}", (note, "yellow"))


def _missing(coverage: PolicyCoverage) -> str:
    """What a policy that is not covered never was, or nothing."""
    if coverage.covered:
        return ""
    if not coverage.in_scope:
        return "never in scope"
    return "never determining" if coverage.satisfied else "never satisfied"


def _place(policy: Policy, span: Span | None) -> str:
    return "" if policy.source is None or span is None else plain(place_of(policy.source, span))


def summary(coverage: Coverage, wanted: int) -> Text:
    """The share that is covered, and of what; red if it is less than wanted (percent)."""
    policies = sum(each.covered for each in coverage.policies)
    conjuncts = sum(each.covered for each in coverage.conjuncts)
    reached = coverage.reaches(wanted)
    return Text(
        f"coverage {percent(coverage)}%{'' if reached else f', less than {wanted}%'}: "
        f"{policies} of {len(coverage.policies)} policies determined an answer, "
        f"{conjuncts} of {len(coverage.conjuncts)} conjuncts were both true and false",
        "bold green" if reached else "bold red",
    )


def percent(coverage: Coverage) -> float:
    """The share in percent, to one place and never rounded up: what is not all is not 100."""
    return coverage.covered * 1000 // coverage.total / 10 if coverage.total else 100.0


def to_json(coverage: Coverage) -> dict[str, Json]:
    """The coverage for programs. JSON here has no fractions: the share is given in its two numbers."""
    policies: list[Json] = [_policy_json(each) for each in coverage.policies]
    return {"covered": coverage.covered, "total": coverage.total, "policies": policies}


def _policy_json(coverage: PolicyCoverage) -> dict[str, Json]:
    policy = coverage.policy
    conjuncts: list[Json] = [
        {
            "kind": each.kind.value,
            "text": print_expression(each.expr),
            **_place_json(policy, each.expr.span),
            "true": each.true,
            "false": each.false,
            "failed": each.failed,
        }
        for each in coverage.conjuncts
    ]
    return {
        "id": policy.id,
        "effect": policy.effect.value,
        **_place_json(policy, policy.span),
        "in_scope": coverage.in_scope,
        "satisfied": coverage.satisfied,
        "determining": coverage.determining,
        "conjuncts": conjuncts,
    }


def _place_json(policy: Policy, span: Span | None) -> dict[str, Json]:
    if policy.source is None or span is None:
        return {"file": None, "line": None, "column": None}
    position = policy.source.position(span.start)
    return {"file": policy.source.name, "line": position.line, "column": position.column}
