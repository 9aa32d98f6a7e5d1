"""The metadata of the decision point (section "Policy Decision Point Metadata").

INVARIANT: every URL in it comes from the configuration. A client that could choose them, by a `Host` header, could send
another PEP to a decision point of its own (openfga#3057).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import urlsplit

from pdp.transport.http.endpoint import HttpReply

WELL_KNOWN: Final = "/.well-known/authzen-configuration"

_CACHED_SECONDS: Final = 300


@final
@dataclass(frozen=True, slots=True)
class Api:
    """An endpoint: its default path and its name in the metadata."""

    path: str
    parameter: str


EVALUATION: Final = Api("/access/v1/evaluation", "access_evaluation_endpoint")
EVALUATIONS: Final = Api("/access/v1/evaluations", "access_evaluations_endpoint")
SEARCH_SUBJECT: Final = Api("/access/v1/search/subject", "search_subject_endpoint")
SEARCH_RESOURCE: Final = Api("/access/v1/search/resource", "search_resource_endpoint")
SEARCH_ACTION: Final = Api("/access/v1/search/action", "search_action_endpoint")


def base_path(url: str) -> str:
    """The path of the decision point's own URL, "" if it has none; all endpoints are below it."""
    return urlsplit(url).path.removesuffix("/")


def metadata_path(url: str) -> str:
    """Where the metadata is found: the well-known part stands between host and path (RFC 8615)."""
    return WELL_KNOWN + base_path(url)


def metadata(url: str, served: Iterable[Api]) -> HttpReply:
    """The document of the decision point at a URL that serves these endpoints."""
    base = url.removesuffix("/")
    document = {"policy_decision_point": url} | {api.parameter: base + api.path for api in served}
    headers = {"content-type": "application/json", "cache-control": f"max-age={_CACHED_SECONDS}"}
    return HttpReply(200, headers, json.dumps(document).encode("ascii"))
