"""`pdp serve`: loads, serves, and says what."""

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pdp import __version__
from pdp.cli import options
from pdp.cli.output import labelled, standard_output
from pdp.config import Config, GrpcConfig, HttpConfig, load_config, read_address

if TYPE_CHECKING:
    from pdp.engine.snapshot import World


def serve(
    config: options.Config = options.CONFIG,
    grpc: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Listen for gRPC here, or at unix:PATH, whatever the configuration says."
        ),
    ] = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Listen for HTTP here, whatever the configuration says.")
    ] = None,
) -> None:
    """Load the policies and facts, and answer questions until told to stop.

    Changed files are loaded by themselves, SIGHUP loads at once; a fault in them leaves the running state in place.
    SIGTERM or SIGINT stops, after the running calls have ended. The configuration itself is read once.
    """
    settings = _overridden(load_config(config), grpc, http)
    from pdp.app import App  # gRPC, HTTP and cryptography: slow to import, and of no use for a faulty configuration
    from pdp.cli.samples import sample_lines

    app = App(settings)
    world = app.start()
    try:
        address = _address(settings.grpc, app.grpc_port)
        console = standard_output()
        for line in _summary(settings, world, address, app.http_port):
            console.print(line)
        for sample in sample_lines(settings, world, app.decider, address):
            console.print(sample)
        app.wait()
    finally:
        app.stop()


def _overridden(config: Config, grpc: str | None, http: str | None) -> Config:
    if grpc is not None:
        if not grpc.startswith("unix:") and read_address(grpc) is None:
            raise options.OptionError(
                f"`--grpc {grpc}` is no address to listen on", help="write HOST:PORT or unix:PATH"
            )
        config = replace(config, grpc=replace(config.grpc, listen=grpc))
    if http is not None:
        address = read_address(http)
        if address is None:
            raise options.OptionError(f"`--http {http}` is no address to listen on", help="write HOST:PORT")
        config = replace(config, http=HttpConfig(*address))
    return config


def _address(config: GrpcConfig, port: int) -> str:
    """Where gRPC listens, with the port that a configured 0 became."""
    return config.listen if config.listen.startswith("unix:") else f"{config.listen.rpartition(':')[0]}:{port}"


def _summary(config: Config, world: "World", grpc: str, http_port: int) -> list[Text]:
    host = f"[{config.http.host}]" if ":" in config.http.host else config.http.host
    local = _is_local(grpc) and _is_local(f"{host}:{http_port}")
    asserted = config.identity.accept_asserted
    return [
        Text(f"pdp {__version__}", "bold"),
        labelled("policies", f"{len(world.policies.static)}, revision {world.policy_revision}"),
        labelled("templates", str(len(world.policies.templates))),
        labelled("grants", str(len(world.facts.grants))),
        labelled("entities", f"{len(world.facts.entities)}, facts at revision {world.context_revision}"),
        labelled("gRPC", f"{grpc}  pdp.v1.DecisionService, envoy.service.auth.v3.Authorization"),
        labelled("HTTP", f"http://{host}:{http_port}  /metrics /healthz /readyz"),
        labelled("transport", "plain, for this machine only" if local else "plain, AND REACHABLE FROM OTHER MACHINES"),
        labelled("principals", "by token, or named by a caller on this machine" if asserted else "by token alone"),
    ]


def _is_local(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
