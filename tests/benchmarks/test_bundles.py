"""The bundles of the benchmarks: valid, of the size that was asked for, and each edition to be told from the others."""

from pathlib import Path

from benchmarks import bundles
from pdp.config import load_config
from pdp.context.files import load_facts
from pdp.engine.evaluating import Evaluating
from pdp.engine.snapshot import CurrentWorld, build_world
from pdp.policies.bundle import load_bundle


def test_a_world_is_valid_and_answers_by_policies_of_its_edition(tmp_path: Path) -> None:
    config = load_config(bundles.write_world(tmp_path, 400, "e7"))
    bundle = load_bundle(config.policies.directory)
    assert len(bundle.policies.static) == 402
    facts = load_facts(config.context.directory, bundle.schema, 0, relative_times=False)
    current = CurrentWorld()
    current.world = build_world(bundle, facts)
    decider = Evaluating(current, config.freshness, lambda: 0)
    verdicts = [decider.decide(question) for question in bundles.questions(400, 300, 1)]
    assert {verdict.reason.value for verdict in verdicts} >= {"allowed", "forbidden", "not_permitted"}
    assert {bundles.edition_of(policy.id) for verdict in verdicts for policy in verdict.policies} == {"e7"}
    assert all(not verdict.errors for verdict in verdicts)


def test_another_edition_is_another_revision_of_as_many_policies(tmp_path: Path) -> None:
    config = load_config(bundles.write_world(tmp_path, 200, "e0"))
    before = load_bundle(config.policies.directory)
    bundles.write_bundle(config.policies.directory, 200, "e1")
    after = load_bundle(config.policies.directory)
    assert before.revision != after.revision
    assert len(before.policies) == len(after.policies)
    assert not before.policies.static.keys() & after.policies.static.keys()
