"""Runs the command line: inside this process, or as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typer.testing import CliRunner, Result

from pdp.cli.main import app

PROGRAM: Final = (sys.executable, "-c", "from pdp.cli.main import main; main()")
"""`pdp` as a process, whether or not it is installed as a program."""


def run(*words: str | Path, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a verb inside this process, on a terminal of 200 columns."""
    return CliRunner().invoke(
        app, [str(word) for word in words], env={"COLUMNS": "200", "PDP_TOKEN": None, **(env or {})}
    )


def spawn(*words: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a verb as a process, to its end."""
    command = [*PROGRAM, *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def serving(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A process of `pdp serve` with its output on pipes, killed in the end if it still runs."""
    command = [*PROGRAM, "serve", *(str(word) for word in words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    with process:
        try:
            yield process
        finally:
            process.kill()
