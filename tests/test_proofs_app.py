"""A whole decision point that demands proofs and knows workloads: over gRPC, with bundles that change under it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from engine_worlds import NOW
from issuer import Signer
from prover import Prover
from small_world import SmallWorld, token, write_small_world
from spiffe_world import OWN, PARTNER, anchor, bundle_text, token_entry

from pdp.app import App
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub

SECONDS = NOW // 1000
LATE = SECONDS + 60
PROVER, WORKLOADS = Prover(), Signer("ES256", "own-1", 3)
ROOT, PARTNER_ROOT = anchor("own root"), anchor("partner root")
BILLING = f"spiffe://{OWN}/billing"
URL = "https://api.example/files/plan"

SECTIONS = f"""\
  dpop: {{algorithms: [ES256, EdDSA]}}
  spiffe:
    trust_domain: {OWN}
    bundle: own.json
    type: Service
    audience: pdp
    attributes: {{trust_domain: trust_domain, path: path}}
    federation:
      {PARTNER}: {{bundle: partner.json, type: PartnerService}}
"""
SERVICES = """\
entity Service, PartnerService = { trust_domain: String, path: String };
entity Device;
"""
POLICY = """
@id("files/billing-reads")
@reason("the billing service reads")
permit (principal is Service, action == Files::Action::"read", resource is Files::File)
when { principal.path == "/billing" };
"""


@dataclass
class Running:
    """An app, its files and its clock."""

    app: App
    files: SmallWorld
    log: StringIO
    now: list[int] = field(default_factory=lambda: [NOW])

    def check(self, **fields: Any) -> pb.CheckResponse:
        question = pb.CheckRequest(
            action=pb.EntityUid(type="Files::Action", id="read"),
            resource=pb.EntityUid(type="Files::File", id="plan"),
            **fields,
        )
        with grpc.insecure_channel(f"127.0.0.1:{self.app.grpc_port}") as channel:
            answer: pb.CheckResponse = DecisionServiceStub(channel).Check(question, timeout=10)
        return answer

    def allows(self, **fields: Any) -> bool:
        return int(self.check(**fields).decision) == int(pb.DECISION_ALLOW)

    def has_faults(self, count: int) -> bool:
        outcomes = [json.loads(line).get("outcome") for line in self.log.getvalue().splitlines()]
        return outcomes.count("error") == count


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    files = write_small_world(tmp_path / "world")
    files.replace("pdp.yaml", "  accept_asserted: true\n", f"  accept_asserted: true\n{SECTIONS}")
    files.replace("schema.cedarschema", "entity Device;\n", SERVICES)
    files.replace(
        "schema.cedarschema", "principal: User, resource: File,", "principal: [User, Service], resource: File,"
    )
    files.write("teams/files/services.cedar", POLICY)
    files.write("own.json", bundle_text([ROOT.jwk(), token_entry(WORKLOADS)], spiffe_sequence=1))
    files.write("partner.json", bundle_text([PARTNER_ROOT.jwk()]))
    log, now = StringIO(), [NOW]
    app = App(load_config(files.config), EventLog(log, LogFormat.JSON, lambda: now[0]), lambda: now[0], 0.02)
    try:
        app.start()
        now[0] = LATE * 1000
        yield Running(app, files, log, now)
    finally:
        app.stop()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.01)


def by_dpop(credential: str) -> pb.ClientRequest:
    proof = PROVER.proof(credential, LATE, htm="GET", htu=URL)
    return pb.ClientRequest(scheme="DPoP", proofs=[proof], method="GET", url=f"{URL}?version=2")


def svid() -> str:
    return WORKLOADS.token({"sub": BILLING, "aud": "pdp", "exp": LATE + 300})


def test_a_bound_token_over_the_wire(running: Running) -> None:
    bound = token("ana", LATE * 1000, cnf={"jkt": PROVER.jkt})
    shown = by_dpop(bound)
    assert running.allows(token=bound, client=shown)
    again = running.check(token=bound, client=shown)
    assert (again.decision, again.reason_class) == (pb.DECISION_DENY, "unauthenticated")
    assert again.challenge.startswith('DPoP error="invalid_dpop_proof"')
    bare = running.check(token=bound)
    assert bare.challenge.endswith('DPoP algs="ES256 EdDSA"')
    assert running.allows(token=bound, client=by_dpop(bound))


def test_workloads_over_the_wire(running: Running) -> None:
    assert running.allows(token=svid())
    assert running.allows(client=pb.ClientRequest(certificate=ROOT.workload(BILLING)))
    other = running.check(client=pb.ClientRequest(certificate=ROOT.workload(f"spiffe://{OWN}/orders")))
    assert (other.decision, other.reason_class) == (pb.DECISION_DENY, "not_permitted")


def test_a_foreign_bundle_never_vouches_for_us(running: Running) -> None:
    answer = running.check(client=pb.ClientRequest(certificate=PARTNER_ROOT.workload(BILLING)))
    assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "unauthenticated")


def test_a_bundle_that_changes_is_loaded_and_a_broken_one_is_not(running: Running) -> None:
    new = anchor("new root")
    old_one = pb.ClientRequest(certificate=ROOT.workload(BILLING))
    new_one = pb.ClientRequest(certificate=new.workload(BILLING))
    assert not running.allows(client=new_one)
    running.files.write("own.json", bundle_text([ROOT.jwk(), new.jwk()], spiffe_sequence=2))
    eventually(lambda: running.allows(client=new_one))
    assert running.allows(client=old_one)
    for count, broken in enumerate(("{", bundle_text([], spiffe_sequence=1)), 1):
        running.files.write("own.json", broken)
        eventually(partial(running.has_faults, count))
        assert running.allows(client=old_one)
        assert running.allows(client=new_one)
    running.files.write("own.json", bundle_text([new.jwk()], spiffe_sequence=3))
    eventually(lambda: not running.allows(client=old_one))
    assert running.allows(client=new_one)
    assert not running.allows(token=svid())
