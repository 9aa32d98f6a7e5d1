"""`pdp build`: parses, validates and compiles a bundle once, for any number of starts."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from pdp.cli import exits
from pdp.cli.files import write_bytes
from pdp.cli.output import counted, plain, standard_error, standard_output
from pdp.engine.obligations import read_obligations
from pdp.policies.built.building import build_parsed
from pdp.policies.built.header import read_header
from pdp.policies.built.reading import read_built_file
from pdp.policies.bundle import parse_bundle, read_sources
from pdp.transport.http_obligations import policy_names


def build(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The bundle's sources.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write, or what to check with --check.")
    ],
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing: build, and compare with FILE. Building is reproducible, so that whoever is given a "
            "file can see that it is what these sources become.",
        ),
    ] = False,
) -> None:
    """Write the built form of a bundle, and print its SHA-256 as [bold]sha256sum[/bold] does.

    A decision point reads it in a fraction of the time that the sources take, if it runs the same Python and the same
    version of this program, and if it is given this SHA-256: as [bold]built_sha256[/bold] beside [bold]built[/bold] in
    the configuration, or with [bold]pdp serve --built FILE --built-sha256 HASH[/bold]. The file holds code. Who says
    which hash is the right one says what runs there, so take it from where you built, and not from beside the file.
    """
    sources = read_sources(directory)
    bundle = parse_bundle(sources)
    # What a server would refuse must not be built.
    policy_names(bundle.policies)
    for policy in (*bundle.policies.static.values(), *bundle.policies.templates.values()):
        read_obligations(policy)
    data = build_parsed(directory, sources, bundle)
    digest = sha256(data).hexdigest()
    if check:
        _compare(output, data)
    else:
        write_bytes(output, data)
    standard_output().print(f"{digest}  {plain(str(output))}")
    standard_error().print(
        f"{counted(len(bundle.policies.static), 'policy', 'policies')} and "
        f"{counted(len(bundle.policies.templates), 'template')}, revision {bundle.revision}"
    )


def _compare(path: Path, data: bytes) -> None:
    """Ends the verb if the file is not these bytes, and says what is known of why. Nothing of it is unpacked.

    Raises BuiltError for a file that no program like this one has written.
    """
    found = read_built_file(path)
    if found == data:
        return
    theirs, ours = read_header(found)[0], read_header(data)[0]
    theirs.check()
    if theirs.revision == ours.revision:
        why = "these sources do not become what it holds: somebody else has written it"
    else:
        why = f"it was built from the sources of revision {theirs.revision}, and these are of {ours.revision}"
    standard_output().print(f"{plain(str(path))}: {why}")
    raise typer.Exit(exits.DENIED)
