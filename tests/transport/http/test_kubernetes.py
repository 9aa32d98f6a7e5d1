"""The Kubernetes webhook: reviews as the API server sends them, and that everything else is a hard no."""

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from authzen_doors import FAR, LOCAL, Remembering, an_ask
from callers import admission
from doors import FakeDecider, an_allow
from engine_worlds import AGES, NOW
from fuzzing import damaged, rounds
from http_worlds import write_cluster_world
from json_mutants import json_mutants

from pdp.cedar.values import EntityUID, Record, Set
from pdp.config import load_config
from pdp.config.doors import KubernetesConfig
from pdp.context.files import load_facts
from pdp.engine.chain import build_chain
from pdp.engine.decider import Decider, ReasonClass, deny
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.policies.bundle import load_bundle
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.callers import NOBODY, Caller, caller_at
from pdp.transport.http.endpoint import BodyError, HttpAsk
from pdp.transport.http.kubernetes import LAST_RESORT, KubernetesDoor

V1 = "authorization.k8s.io/v1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root: Path = tmp_path_factory.mktemp("cluster")
    config = load_config(write_cluster_world(root / "world").config)
    bundle = load_bundle(config.policies.directory)
    return build_world(bundle, load_facts(config.context.directory, bundle.schema, NOW, relative_times=True))


class Cluster:
    """The door over the cluster's world."""

    def __init__(self, world: World, metrics: Metrics, config: KubernetesConfig) -> None:
        self.current = CurrentWorld()
        self.current.world = world
        engine = build_chain(self.current, AGES, lambda: NOW, lambda error: pytest.fail(repr(error)))
        self.decider = Remembering(engine)
        self.authentication = Authentication(lambda: NOW, metrics, admission(metrics))
        self.config = config
        self.door = self.over(self.decider)

    def over(self, decider: Decider) -> KubernetesDoor:
        """The door over another decider."""
        return KubernetesDoor(self.config, decider, self.authentication, self.schema)

    def schema(self) -> Any:
        """The schema that answers now."""
        return None if self.current.world is None else self.current.world.schema

    def ask(self, body: Any, caller: Caller = LOCAL) -> dict[str, Any]:
        """The status in the answer."""
        return self.send(an_ask(body, caller=caller))

    def send(self, ask: HttpAsk, version: str = V1, door: KubernetesDoor | None = None) -> dict[str, Any]:
        """The status in the answer to a request as it stands."""
        answered = (door or self.door).authorize(ask)
        assert (answered.reply.status, answered.reply.headers["content-type"]) == (200, "application/json")
        body = json.loads(answered.reply.body)
        assert (body["apiVersion"], body["kind"], set(body)) == (
            version,
            "SubjectAccessReview",
            {"apiVersion", "kind", "status"},
        )
        status: dict[str, Any] = body["status"]
        assert status["allowed"] is (answered.verdicts[0].reason is ReasonClass.ALLOWED)
        assert not (status["allowed"] and status.get("denied", False))
        return status


@pytest.fixture
def cluster(world: World, metrics: Metrics) -> Cluster:
    return Cluster(world, metrics, KubernetesConfig())


def review(user: str = "ana", *groups: str, verb: str = "get", **more: Any) -> dict[str, Any]:
    """As the API server writes it: `metadata` with a null, and an empty `status`. `more` are attributes of the
    resource, or of a `path`; with `spec` they go there.
    """
    spec: dict[str, Any] = {"user": user, **more.pop("spec", {})}
    if groups:
        spec["groups"] = list(groups)
    if "path" in more:
        spec["nonResourceAttributes"] = {"verb": verb, **more}
    else:
        spec["resourceAttributes"] = {"verb": verb, "version": "v1", "resource": "pods", "namespace": "apps", **more}
    return {
        "kind": "SubjectAccessReview",
        "apiVersion": V1,
        "metadata": {"creationTimestamp": None},
        "spec": spec,
        "status": {"allowed": False},
    }


VIEWER = ("ana", "viewers", "system:authenticated")


# Answers


def test_an_allow(cluster: Cluster) -> None:
    assert cluster.ask(review(*VIEWER)) == {
        "allowed": True,
        "reason": "viewers read (k8s/viewers-read-all-but-secrets)",
    }


def test_a_forbid_is_a_hard_no(cluster: Cluster) -> None:
    assert cluster.ask(review(*VIEWER, verb="delete", namespace="kube-system", name="x")) == {
        "allowed": False,
        "denied": True,
        "reason": "nobody deletes in kube-system (guardrail/kube-system)",
    }


def test_what_no_policy_permits_is_a_hard_no_unless_told_otherwise(world: World, metrics: Metrics) -> None:
    expected = {"allowed": False, "reason": "no policy permits this"}
    assert Cluster(world, metrics, KubernetesConfig()).ask(review()) == {**expected, "denied": True}
    lenient = Cluster(world, metrics, KubernetesConfig(not_permitted="no_opinion"))
    assert lenient.ask(review()) == expected
    # Nothing else is ever left to the next authorizer.
    for status in (
        lenient.ask(review(verb="delete", namespace="kube-system")),
        lenient.ask(review(verb="fly")),
        lenient.ask(b"{"),
        lenient.ask(review(), FAR),
        lenient.ask(review("ana", verb="watch", path="/x")),
    ):
        assert status["denied"] is True
    lenient.current.world = None
    assert lenient.ask(review())["denied"] is True


@pytest.mark.parametrize("reason", [reason for reason in ReasonClass if reason is not ReasonClass.ALLOWED])
@pytest.mark.parametrize("answer", ["deny", "no_opinion"])
def test_every_reason(world: World, metrics: Metrics, reason: ReasonClass, answer: str) -> None:
    made = Cluster(world, metrics, KubernetesConfig(not_permitted=answer))
    status = made.send(an_ask(review()), door=made.over(FakeDecider(deny(reason, "because"))))
    is_opinion = reason is not ReasonClass.NOT_PERMITTED or answer == "deny"
    assert ("denied" in status) == is_opinion
    is_decided = reason in {ReasonClass.FORBIDDEN, ReasonClass.NOT_PERMITTED}
    assert status.get("evaluationError") == (None if is_decided else "because")


def test_an_allow_with_an_obligation_is_a_deny(cluster: Cluster) -> None:
    status = cluster.ask(review(resource="masked"))
    message = "obligation `mask:data` of policy `k8s/masked` cannot be carried out by Kubernetes"
    assert status == {"allowed": False, "denied": True, "reason": message, "evaluationError": message}
    allowed = cluster.send(an_ask(review()), door=cluster.over(FakeDecider(an_allow())))
    assert allowed["allowed"] is True


def test_a_guardrail_that_fails_is_told(cluster: Cluster) -> None:
    status = cluster.ask(review(verb="watch", path="/x"))
    assert status["denied"] is True
    assert status["reason"].startswith("a guardrail could not be evaluated")
    assert status["evaluationError"]


# Who asks


@pytest.mark.parametrize(
    ("user", "type", "attrs"),
    [
        ("ana", "User", {"name": "ana"}),
        ("system:anonymous", "User", {"name": "system:anonymous"}),
        ("system:serviceaccount:kube-system:dns", "ServiceAccount", {"namespace": "kube-system", "name": "dns"}),
        ("system:serviceaccount:kube-system", "User", {"name": "system:serviceaccount:kube-system"}),
        ("system:serviceaccount:a:b:c", "User", {"name": "system:serviceaccount:a:b:c"}),
        ("system:node:worker-1", "Node", {"name": "worker-1"}),
        ("system:node:a:b", "User", {"name": "system:node:a:b"}),
        ("System:node:a", "User", {"name": "System:node:a"}),
    ],
)
def test_users(cluster: Cluster, user: str, type: str, attrs: dict[str, str]) -> None:
    cluster.ask(review(user, "devs", "system:authenticated"))
    [asked] = cluster.decider.asked
    entity = asked.subject.entity
    assert (entity.uid, entity.attrs) == (EntityUID(f"K8s::{type}", user), attrs)
    assert entity.parents == {EntityUID("K8s::Group", name) for name in ("devs", "system:authenticated")}
    assert asked.subject.method.value == "asserted"


def test_a_service_account_is_no_user_of_the_same_name(cluster: Cluster) -> None:
    assert cluster.ask(review("system:serviceaccount:kube-system:controller", verb="create"))["allowed"] is True
    assert cluster.ask(review("controller", verb="create"))["allowed"] is False
    assert cluster.ask(review("system:serviceaccount:apps:controller", verb="create"))["allowed"] is False


def test_groups_are_what_the_request_says_with_everything_above_them(cluster: Cluster) -> None:
    assert cluster.ask(review("ana", "interns"))["allowed"] is True, "interns are viewers, in the stored facts"
    assert cluster.ask(review("ana", "Viewers"))["allowed"] is False
    nothing: list[Any] = [None, []]
    for groups in nothing:
        assert cluster.ask(review("ana", spec={"groups": groups}))["allowed"] is False


def test_what_else_is_known_of_a_user(cluster: Cluster) -> None:
    extra = {"scopes": ["read", "audit"], "team": []}
    status = cluster.ask(review("kim", spec={"uid": "1-2", "extra": extra}))
    assert status["allowed"] is True
    attrs = cluster.decider.asked[0].subject.entity.attrs
    assert attrs["uid"] == "1-2"
    entries = [Record({"key": "scopes", "values": Set(["audit", "read"])}), Record({"key": "team", "values": Set([])})]
    assert attrs["extra"] == Set(entries)
    assert cluster.ask(review("kim", spec={"extra": {"scopes": ["audit"]}}))["allowed"] is False
    # A node has no such attributes in this schema: they are ignored, not refused.
    assert cluster.ask(review("system:node:n", "viewers", spec={"uid": "x", "extra": extra}))["allowed"] is True


def test_the_api_server_must_be_on_this_machine(cluster: Cluster, metrics: Metrics) -> None:
    for caller in (FAR, NOBODY, caller_at("2001:db8::1")):
        status = cluster.ask(review(*VIEWER), caller)
        assert (status["denied"], "not accepted" in status["evaluationError"]) == (True, True)
    assert cluster.decider.asked == []
    assert cluster.ask(review(*VIEWER), caller_at("::1"))["allowed"] is True
    cluster.authentication = Authentication(lambda: NOW, metrics, admission(metrics, accept_asserted=False))
    strict = cluster.over(cluster.decider)
    assert cluster.send(an_ask(review(*VIEWER)), door=strict)["denied"] is True


# What it is about


def test_resources(cluster: Cluster) -> None:
    attributes = {"group": "apps", "resource": "deployments", "name": "web", "subresource": "scale"}
    cluster.ask(review(*VIEWER, **attributes))
    [asked] = cluster.decider.asked
    assert asked.action == EntityUID("K8s::Action", "get")
    assert asked.resource == EntityUID("K8s::Resource", "apps/v1/apps/deployments/web/scale")
    said = {
        "apiGroup": "apps",
        "apiVersion": "v1",
        "namespace": "apps",
        "resource": "deployments",
        "name": "web",
        "subresource": "scale",
    }
    assert asked.resource_facts == Record(said)


def test_what_is_left_out_is_absent(cluster: Cluster) -> None:
    cluster.ask(review(*VIEWER, resource="nodes", namespace="", version=""))
    [asked] = cluster.decider.asked
    assert asked.resource == EntityUID("K8s::Resource", "///nodes//")
    assert asked.resource_facts == Record({"apiGroup": "", "resource": "nodes"})


def test_a_subresource_is_not_its_resource(cluster: Cluster) -> None:
    assert cluster.ask(review(*VIEWER, name="web"))["allowed"] is True
    assert cluster.ask(review(*VIEWER, name="web", subresource="exec"))["allowed"] is False
    assert cluster.ask(review(*VIEWER, resource="secrets"))["allowed"] is False
    assert cluster.ask(review(*VIEWER, resource="secrets", group="other"))["allowed"] is True


def test_two_resources_never_have_one_id(cluster: Cluster) -> None:
    parts = ("", "a", "/", "a/b", "%", "%2F", "a%2Fb")
    names = ("group", "version", "namespace", "name", "subresource")
    source = random.Random(20261125)
    said = {tuple(source.choice(parts) for _ in names) for _ in range(400)}
    for each in said:
        cluster.ask(review(*VIEWER, **dict(zip(names, each, strict=True))))
    assert len({asked.resource.id for asked in cluster.decider.asked}) == len(said)


def test_an_attribute_that_the_schema_does_not_know_is_a_deny_and_not_left_out(world: World, metrics: Metrics) -> None:
    # Under another namespace, nothing is declared at all.
    other = Cluster(world, metrics, KubernetesConfig("Other"))
    status = other.ask(review(*VIEWER))
    assert status["denied"] is True
    assert status["evaluationError"]


def test_selectors(cluster: Cluster) -> None:
    def listed(**more: Any) -> bool:
        return cluster.ask(review("ana", verb="list", resource="configmaps", **more))["allowed"] is True

    own = {"key": "owner", "operator": "In", "values": ["ana"]}
    assert listed(labelSelector={"requirements": [own]})
    assert listed(labelSelector={"requirements": [{"key": "x", "operator": "Exists"}, own]})
    assert not listed(labelSelector={"requirements": [{**own, "values": ["ana", "bob"]}]})
    assert not listed(labelSelector={"requirements": [{**own, "operator": "NotIn"}]})
    assert not listed(labelSelector={"rawSelector": "owner=ana"})
    # What selects everything, as far as anybody can see, is no selector.
    nothings: tuple[Any, ...] = ({"rawSelector": "owner=ana"}, {"requirements": []}, {"requirements": None}, {}, None)
    for nothing in nothings:
        assert not listed(labelSelector=nothing)
        assert "labelSelector" not in cluster.decider.asked[-1].resource_facts.fields
    assert not listed()
    # The schema does not declare this one: it is ignored.
    assert listed(labelSelector={"requirements": [own]}, fieldSelector={"requirements": [own]})


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/healthz", True), ("/healthz/ping", True), ("/metrics", False), ("/healthz?x", False), ("", False)],
)
def test_paths_that_are_no_resource(cluster: Cluster, path: str, allowed: bool) -> None:
    assert cluster.ask(review("ana", "system:authenticated", path=path))["allowed"] is allowed
    [asked] = cluster.decider.asked
    assert (asked.resource, asked.resource_facts) == (EntityUID("K8s::NonResourceURL", path), Record({"path": path}))


@pytest.mark.parametrize("verb", ["*", "", "GET", "get ", "proxy", 'x"'])
def test_a_verb_that_is_not_declared_is_a_deny(cluster: Cluster, verb: str) -> None:
    status = cluster.ask(review(*VIEWER, verb=verb))
    assert (status["denied"], bool(status["evaluationError"])) == (True, True)


# What is no review


def changed(path: str, value: Any) -> dict[str, Any]:
    body = review(*VIEWER)
    inner = body
    *steps, last = path.split(".")
    for step in steps:
        inner = inner[step]
    inner[last] = value
    return body


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b'{"kind": "SubjectAccessReview"}', b"[" * 100_000),
        changed("kind", "LocalSubjectAccessReview"),
        changed("apiVersion", "authorization.k8s.io/v2"),
        changed("apiVersion", 1),
        changed("apiVersion", ["authorization.k8s.io/v1"]),
        changed("spec", None),
        changed("spec", []),
        changed("spec", {}),
        changed("spec.user", None),
        changed("spec.user", ""),
        changed("spec.user", 5),
        changed("spec.groups", "viewers"),
        changed("spec.groups", ["viewers", None]),
        changed("spec.groups", [["viewers"]]),
        changed("spec.groups", {"viewers": True}),
        changed("spec.uid", 5),
        changed("spec.extra", []),
        changed("spec.extra", {"a": "b"}),
        changed("spec.resourceAttributes", None),
        changed("spec.resourceAttributes", "pods"),
        changed("spec.nonResourceAttributes", {"path": "/", "verb": "get"}),
        changed("spec.resourceAttributes.namespace", None),
        changed("spec.resourceAttributes.verb", True),
        changed("spec.resourceAttributes.labelSelector", []),
        changed("spec.resourceAttributes.labelSelector", {"requirements": {}}),
        changed("spec.resourceAttributes.labelSelector", {"requirements": [5]}),
        changed("spec.resourceAttributes.labelSelector", {"requirements": [{"key": "a", "values": [1]}]}),
    ],
)
def test_what_is_no_review_is_answered_with_a_hard_no(cluster: Cluster, body: Any) -> None:
    status = cluster.ask(body)
    assert (status["allowed"], status["denied"], bool(status["evaluationError"])) == (False, True, True)
    assert cluster.decider.asked == []


def test_an_older_version_is_refused_in_its_own_words(cluster: Cluster) -> None:
    older = "authorization.k8s.io/v1beta1"
    status = cluster.send(an_ask(changed("apiVersion", older)), older)
    assert status["denied"] is True
    assert "authorization.k8s.io/v1" in status["evaluationError"]


def test_another_content_type_and_a_body_that_was_not_read(cluster: Cluster) -> None:
    data = json.dumps(review(*VIEWER)).encode()
    for ask in (
        HttpAsk((), data, "", LOCAL),
        HttpAsk((("content-type", "text/plain"),), data, "", LOCAL),
        HttpAsk((("content-type", "application/json"),), BodyError("too large", 413), "", LOCAL),
    ):
        assert cluster.send(ask)["denied"] is True


def test_unknown_fields_are_ignored(cluster: Cluster) -> None:
    body = review(*VIEWER)
    body["future"] = body["spec"]["future"] = body["spec"]["resourceAttributes"]["future"] = [{"x": 1.5}]
    assert cluster.ask(body)["allowed"] is True


def test_before_anything_is_loaded_the_answer_is_a_hard_no(cluster: Cluster) -> None:
    cluster.current.world = None
    status = cluster.ask(review(*VIEWER))
    assert (status["denied"], "not loaded" in status["evaluationError"]) == (True, True)


def test_the_last_resort_is_a_hard_no() -> None:
    body = json.loads(LAST_RESORT.body)
    assert (LAST_RESORT.status, body["apiVersion"], body["kind"]) == (200, V1, "SubjectAccessReview")
    assert (body["status"]["allowed"], body["status"]["denied"]) == (False, True)


def test_whatever_comes_is_answered_and_nothing_damaged_is_allowed(cluster: Cluster) -> None:
    body = review("bob", spec={"uid": "1", "extra": {"a": ["b"]}}, labelSelector={"requirements": [{"key": "a"}]})
    texts = damaged(random.Random(20261125), [json.dumps(body).encode()], '{}[]":,\\ue0-. ', rounds(1_500))
    words = ["spec", "user", "groups", "verb", "path", "resourceAttributes", "nonResourceAttributes", "list", "values"]
    mutants = json_mutants(random.Random(20261125), [body, review("bob", path="/x")], words, rounds(1_500))
    for each in (*texts, *map(deepcopy, mutants)):
        answered = cluster.door.authorize(an_ask(each))
        status = json.loads(answered.reply.body)["status"]
        assert status["allowed"] is False
        assert status["denied"] is True
    assert len(cluster.decider.asked) > 200
