"""Kubernetes' authorization webhook: `SubjectAccessReview` of `authorization.k8s.io/v1`, as the API server sends it.

In Cedar, with the namespace that is configured (`K8s`):

    user                                        K8s::User::"ana" {name}
    user system:serviceaccount:NAMESPACE:NAME   K8s::ServiceAccount::"system:serviceaccount:..." {namespace, name}
    user system:node:NAME                       K8s::Node::"system:node:NAME" {name}
    each of groups                              a parent, K8s::Group::"developers"
    verb                                        K8s::Action::"get"
    nonResourceAttributes                       K8s::NonResourceURL::"/healthz" {path}
    resourceAttributes                          K8s::Resource {apiGroup, resource, namespace?, name?, subresource?}; the
                                                id is `group/version/namespace/resource/name/subresource`

These attributes the schema must declare, or the question is refused: with one of them left out, a policy about `pods`
would be about `pods/exec`, too. Where the schema declares them, there are also `uid` and `extra` (a set of
`{key, values}`) of the user, `apiVersion` of the resource, and `labelSelector` and `fieldSelector` (sets of
`{key, operator, values}`). Impersonation is the verb `impersonate` on a resource such as `users`.

The API server asks its next authorizer about whatever is neither allowed nor denied, and, unless told otherwise, when
the webhook fails. So every answer is 200 with a review, and whatever goes wrong is `denied: true` with an
`evaluationError`. Only "no policy permits this" may be no opinion, if the configuration says so. The API server can
carry out no obligation: an allow that has one is a deny.

The user is asserted: policies about callers must let the API server do that (`assertSubject`). It caches answers
for as long as its own configuration says (`authorizedTTL`, `unauthorizedTTL`), whatever is revoked meanwhile.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, final

from pdp.cedar.entities import Entity
from pdp.cedar.response import Decision
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.config.doors import NO_OPINION, KubernetesConfig
from pdp.engine.callers.judging import CallerDoor
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.telemetry.observing import note_request
from pdp.transport.admission import REFUSED
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused, MessageError, NotReady
from pdp.transport.http.endpoint import Answered, HttpAsk, HttpReply
from pdp.transport.http.json_body import JsonObject
from pdp.transport.http_reply import Unfulfillable
from pdp.transport.http_request import read_request_id
from pdp.transport.request_ids import new_request_id

PATH: Final = "/kubernetes/authorize"

VERSION: Final = "authorization.k8s.io/v1"
_ANSWERED: Final = (VERSION, "authorization.k8s.io/v1beta1")
"""Versions in which an answer is understood. The older one is what an API server sends that was not told to use v1."""

_KIND: Final = "SubjectAccessReview"
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_NODE: Final = "system:node:"


@final
class KubernetesDoor:
    """Answers the API server."""

    def __init__(
        self,
        config: KubernetesConfig,
        decider: Decider,
        authentication: Authentication,
        schema: Callable[[], Schema | None],
    ) -> None:
        self._namespace = config.namespace
        self._no_opinion = config.not_permitted == NO_OPINION
        self._decider = decider
        self._authentication = authentication
        self._schema = schema

    def authorize(self, ask: HttpAsk) -> Answered:
        """`POST /kubernetes/authorize`."""
        version, error = VERSION, None
        try:
            body = ask.json()
            version = _answered_version(body)
            request_id = read_request_id(ask.headers) or new_request_id()
            note_request(request_id)
            request = self._question(body, ask, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW and verdict.obligations:
                raise Unfulfillable(verdict, verdict.obligations[0], "cannot be carried out by Kubernetes")
        except CallRefused as refusal:
            verdict, error = refusal.verdict(), refusal.message
        return Answered((verdict,), review(version, self._status(verdict, error)))

    def _status(self, verdict: Verdict, error: str | None) -> dict[str, Any]:
        allowed = verdict.decision is Decision.ALLOW
        no_opinion = self._no_opinion and verdict.reason is ReasonClass.NOT_PERMITTED
        status: dict[str, Any] = {"allowed": allowed}
        if not allowed and not no_opinion:
            status["denied"] = True
        status["reason"] = _reason(verdict)
        if error is None and verdict.reason not in _DECIDED:
            error = verdict.message
        if error is None and verdict.errors:
            error = "; ".join(f"policy `{failed.policy_id}`: {failed.message}" for failed in verdict.errors)
        if error is not None:
            status["evaluationError"] = error
        return status

    def _question(self, body: JsonObject, ask: HttpAsk, request_id: str) -> CheckRequest:
        if body.get("apiVersion") != VERSION or body.get("kind") != _KIND:
            raise MessageError(
                f"this is not a {_KIND} of {VERSION}",
                help="start the API server with `--authorization-webhook-version=v1`",
            )
        schema = self._schema()
        if schema is None:
            raise NotReady("the decision point has not loaded its policies yet")
        spec = _object(body, "spec", "")
        reader = _Reader(self._namespace, schema)
        action, about = reader.subject_matter(spec)
        user = reader.user(spec)
        subject = self._authentication.by_assertion(user.uid, ask.caller, CallerDoor.KUBERNETES)
        return CheckRequest(
            subject=replace(subject, entity=user),
            action=action,
            resource=about.uid,
            request_id=request_id,
            resource_facts=Record(about.attrs),
        )


_DECIDED: Final = frozenset({ReasonClass.ALLOWED, ReasonClass.FORBIDDEN, ReasonClass.NOT_PERMITTED})
"""Reasons that are an answer of the policies; with any other one, something went wrong."""


def _reason(verdict: Verdict) -> str:
    named = ", ".join(policy.id for policy in verdict.policies)
    return f"{verdict.message} ({named})" if named else verdict.message


@final
class _Reader:
    """Reads the parts of a review as entities."""

    def __init__(self, namespace: str, schema: Schema) -> None:
        self._namespace = namespace
        self._schema = schema

    def user(self, spec: JsonObject) -> Entity:
        """Who asks."""
        name = _text(spec, "user", "spec.")
        if not name:
            raise MessageError("`spec.user` is empty")
        groups = _texts(spec, "groups", "spec.")
        kind, attrs = _principal(name)
        uid = self._uid(kind, name)
        if (id := _text(spec, "uid", "spec.")) and self._declares(uid, "uid"):
            attrs["uid"] = id
        extra = _object(spec, "extra", "spec.") if spec.get("extra") is not None else {}
        if extra and self._declares(uid, "extra"):
            entries = [Record({"key": key, "values": Set(_texts(extra, key, "spec.extra."))}) for key in extra]
            attrs["extra"] = Set(entries)
        return Entity(uid, attrs, frozenset(self._uid("Group", group) for group in groups))

    def subject_matter(self, spec: JsonObject) -> tuple[EntityUID, Entity]:
        """The verb, and what it is about."""
        of_resource, of_url = "resourceAttributes", "nonResourceAttributes"
        if (spec.get(of_resource) is None) == (spec.get(of_url) is None):
            raise MessageError(f"`spec` must have one of `{of_resource}` and `{of_url}`")
        if spec.get(of_url) is not None:
            return self._url(_object(spec, of_url, "spec."))
        return self._resource(_object(spec, of_resource, "spec."))

    def _url(self, attributes: JsonObject) -> tuple[EntityUID, Entity]:
        place = "spec.nonResourceAttributes."
        path = _text(attributes, "path", place)
        return self._verb(attributes, place), Entity(self._uid("NonResourceURL", path), {"path": path})

    def _resource(self, attributes: JsonObject) -> tuple[EntityUID, Entity]:
        place = "spec.resourceAttributes."
        said = {name: _text(attributes, name, place) for name in _RESOURCE}
        id = "/".join(_segment(said[name]) for name in _RESOURCE)
        attrs: dict[str, Value] = {"apiGroup": said["group"], "resource": said["resource"]}
        attrs |= {name: said[name] for name in ("namespace", "name", "subresource") if said[name]}
        uid = self._uid("Resource", id)
        if said["version"] and self._declares(uid, "apiVersion"):
            attrs["apiVersion"] = said["version"]
        for name in ("labelSelector", "fieldSelector"):
            if attributes.get(name) is not None and self._declares(uid, name):
                selected = _selector(_object(attributes, name, place), f"{place}{name}.")
                if selected:
                    attrs[name] = Set(selected)
        return self._verb(attributes, place), Entity(uid, attrs)

    def _verb(self, attributes: JsonObject, place: str) -> EntityUID:
        return self._uid("Action", _text(attributes, "verb", place))

    def _uid(self, kind: str, id: str) -> EntityUID:
        return EntityUID(f"{self._namespace}::{kind}", id)

    def _declares(self, uid: EntityUID, attribute: str) -> bool:
        declared = self._schema.entity_types.get(uid.type)
        return declared is not None and attribute in declared.attributes.attributes


_RESOURCE: Final = ("group", "version", "namespace", "resource", "name", "subresource")
"""The parts of a resource's id, in order."""


def _principal(user: str) -> tuple[str, dict[str, Value]]:
    """The entity type of a user, without its namespace, and the attributes that its name gives."""
    if user.startswith(_SERVICE_ACCOUNT) and user.count(":") == 3:
        _, _, namespace, name = user.split(":")
        return "ServiceAccount", {"namespace": namespace, "name": name}
    if user.startswith(_NODE) and user.count(":") == 2:
        return "Node", {"name": user.removeprefix(_NODE)}
    return "User", {"name": user}


def _segment(text: str) -> str:
    """A part of an id, without the sign that separates parts: two resources must not have one id."""
    return text.replace("%", "%25").replace("/", "%2F")


def _selector(selector: JsonObject, place: str) -> list[Record]:
    """The requirements of a selector. One that is only there as raw text, which no policy can read, has none, and so
    is taken for no selector at all: it may select everything.
    """
    requirements = selector.get("requirements")
    if requirements is not None and not isinstance(requirements, list):
        raise MessageError(f"`{place}requirements` must be an array")
    read = []
    for requirement in requirements or ():
        if not isinstance(requirement, dict):
            raise MessageError(f"`{place}requirements` must hold objects")
        fields = {name: _text(requirement, name, place) for name in ("key", "operator")}
        read.append(Record({**fields, "values": Set(_texts(requirement, "values", place))}))
    return read


def _object(body: JsonObject, name: str, place: str) -> JsonObject:
    value = body.get(name)
    if not isinstance(value, dict):
        raise MessageError(f"`{place}{name}` must be an object")
    return value


def _text(body: JsonObject, name: str, place: str) -> str:
    """A text; "" where it is left out, as in Kubernetes."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise MessageError(f"`{place}{name}` must be a string")
    return value


def _texts(body: JsonObject, name: str, place: str) -> list[str]:
    """A list of texts; an empty one where it is left out or `null`, as in Kubernetes."""
    value = body.get(name)
    if value is None:
        return []
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(texts) != len(value):
        raise MessageError(f"`{place}{name}` must be an array of strings")
    return texts


def _answered_version(body: JsonObject) -> str:
    version = body.get("apiVersion")
    return version if isinstance(version, str) and version in _ANSWERED else VERSION


def review(version: str, status: Mapping[str, Any]) -> HttpReply:
    """The answer with a status."""
    body = {"apiVersion": version, "kind": _KIND, "status": status}
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return HttpReply(200, headers, json.dumps(body).encode("ascii"))


_FAILED: Final = deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied")

LAST_RESORT: Final = review(
    VERSION, {"allowed": False, "denied": True, "reason": _FAILED.message, "evaluationError": _FAILED.message}
)
"""The answer when no answer could be made."""

CALLER_REFUSED: Final = review(
    VERSION, {"allowed": False, "denied": True, "reason": REFUSED.message, "evaluationError": REFUSED.message}
)
"""The answer to a caller that may not ask. An error of HTTP would have the API server ask its next authorizer."""
