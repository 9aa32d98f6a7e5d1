"""`pdp serve`: loads, serves, and says what."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pdp import __version__
from pdp.cli import options
from pdp.cli.output import counted, labelled, standard_output
from pdp.config import Config, GrpcConfig, HttpConfig, load_config
from pdp.config.policies import is_sha256
from pdp.config.servers import UNIX, is_address, is_local

if TYPE_CHECKING:
    from pdp.engine.callers.judging import CallerPolicies
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
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Listen for HTTP here, or at unix:PATH, whatever the configuration says."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep facts and their history in this folder, whatever the configuration says."
        ),
    ] = None,
    built: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read this file of [bold]pdp build[/bold], whatever the configuration says."),
    ] = None,
    built_sha256: Annotated[
        str | None,
        typer.Option(
            "--built-sha256", metavar="HASH", help="What pdp build has printed for it: it is read with no other."
        ),
    ] = None,
) -> None:
    """Load the policies and facts, and answer questions until told to stop.

    Changed files are loaded by themselves, SIGHUP loads at once; a fault in them leaves the running state in place.
    SIGTERM or SIGINT stops, after the running calls have ended. The configuration itself is read once.
    """
    settings = _with_built(_overridden(load_config(config), grpc, http, data), built, built_sha256)
    from pdp.app import App  # gRPC, HTTP and cryptography: slow to import, and of no use for a faulty configuration
    from pdp.cli.samples import sample_lines

    app = App(settings, alone=True)
    world = app.start()
    try:
        address = _address(settings.grpc.listen, app.grpc_port)
        console = standard_output()
        for line in _summary(settings, world, address, _address(settings.http.listen, app.http_port), app.callers):
            console.print(line)
        if settings.grpc.tls is None:  # where certificates lie that a reader could ask with is not known
            for sample in sample_lines(settings, world, app.decider, address):
                console.print(sample)
        app.wait()
    finally:
        app.stop()


def _with_built(config: Config, built: Path | None, digest: str | None) -> Config:
    if built is None and digest is None:
        return config
    if built is None or digest is None:
        raise options.OptionError(
            "`--built` and `--built-sha256` have no meaning without each other",
            help="a built bundle holds code: give the hash that `pdp build` has printed for this file",
        )
    if not is_sha256(digest):
        raise options.OptionError(
            f"`--built-sha256 {digest}` is no SHA-256", help="write 64 hexadecimal digits in lower case"
        )
    return replace(config, policies=replace(config.policies, built=built, built_sha256=digest))


def _overridden(config: Config, grpc: str | None, http: str | None, data: Path | None) -> Config:
    if grpc is not None:
        if not is_address(grpc):
            raise options.OptionError(
                f"`--grpc {grpc}` is no address to listen on", help="write HOST:PORT or unix:PATH"
            )
        config = replace(config, grpc=replace(config.grpc, listen=grpc))
    if http is not None:
        if not is_address(http):
            raise options.OptionError(
                f"`--http {http}` is no address to listen on", help="write HOST:PORT or unix:PATH"
            )
        config = replace(config, http=replace(config.http, listen=http))
    if data is not None:
        config = replace(config, context=replace(config.context, data=data))
    return config


def _address(listen: str, port: int) -> str:
    """Where a server listens, with the port that a configured 0 became."""
    return listen if listen.startswith(UNIX) else f"{listen.rpartition(':')[0]}:{port}"


def _summary(config: Config, world: "World", grpc: str, http: str, callers: "CallerPolicies") -> list[Text]:
    asserted = config.identity.accept_asserted
    return [
        Text(f"pdp {__version__}", "bold"),
        labelled("policies", f"{len(world.policies.static)}, revision {world.policy_revision}"),
        labelled("templates", str(len(world.policies.templates))),
        labelled("grants", str(len(world.facts.grants))),
        labelled("entities", f"{len(world.facts.entities)}, facts at revision {world.context_revision}"),
        *([] if config.context.data is None else [labelled("kept in", str(config.context.data))]),
        labelled("gRPC", f"{grpc}  pdp.v1.DecisionService, envoy.service.auth.v3.Authorization"),
        labelled("HTTP", f"{_url(config.http, http)}  /metrics /healthz /readyz"),
        labelled("transport", _transport(config)),
        labelled("callers", _callers(config, callers.count)),
        labelled("principals", "by token, or named by a caller on this machine" if asserted else "by token alone"),
    ]


def _url(server: HttpConfig, address: str) -> str:
    if address.startswith(UNIX):
        return address
    return f"{'http' if server.tls is None else 'https'}://{address}"


def _transport(config: Config) -> str:
    """What each server speaks, and with whom."""
    grpc, http = _spoken(config.grpc), _spoken(config.http)
    return grpc if grpc == http else f"gRPC {grpc}; HTTP {http}"


def _spoken(server: GrpcConfig | HttpConfig) -> str:
    tls = server.tls
    if tls is None:
        return "plain, for this machine only" if is_local(server.listen) else "plain, AND REACHABLE FROM OTHER MACHINES"
    if tls.client_ca is None:
        return "TLS, with callers that show no certificate"
    shown = "with or without" if not tls.require_client_certificate else "with"
    return f"mTLS, with callers {shown} a certificate of {tls.client_ca.name}"


def _callers(config: Config, own_policies: int) -> str:
    """Who may ask."""
    if config.callers.policies is None:
        return "those on this machine, and nobody else"
    own = counted(own_policies, "policy", "policies")
    return f"those on this machine, and whom {own} in {config.callers.policies} let in"
