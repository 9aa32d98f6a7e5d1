"""Which bundle a decision point takes, and from where: the one it has, a built file, or the sources.

The sources, where they are there, say which bundle it must be. If it is the one that is loaded, nothing is done; if a
built file was built from them, it is read; or else they are parsed: in a process of their own while questions are being
answered, and here before there are any.
"""

import os
from collections.abc import Callable
from typing import Final, final

from pdp.config.policies import PolicyConfig, ReloadIn
from pdp.policies.built.header import BuiltError
from pdp.policies.built.process import BuildProcess
from pdp.policies.built.reading import read_built, read_built_file
from pdp.policies.bundle import Bundle, Sources, parse_bundle, read_sources
from pdp.policies.steps import finish


@final
class BundleLoader:
    """Loads the bundle of a configuration, again and again. `refused` is told of a built file that was passed over."""

    def __init__(self, config: PolicyConfig, refused: Callable[[BuiltError], None]) -> None:
        self._config: Final = config
        self._refused: Final = refused
        self._process: Final = BuildProcess(config.build_timeout / 1000)
        self._loaded: Bundle | None = None

    def load(self, pause: Callable[[], None] | None = None) -> Bundle:
        """The bundle as it is now; the same object if it has not changed. Raises CedarError.

        With `pause`, which is called every now and then, questions are being answered meanwhile.
        """
        sources = self._sources()
        loaded = self._loaded
        if loaded is None or sources is None or loaded.revision != sources.revision:
            loaded = self._loaded = self._read(sources, pause)
        return loaded

    def cancel(self) -> None:
        """End what runs in another process, and begin nothing there any more: a load that needs it fails."""
        self._process.cancel()

    def _sources(self) -> Sources | None:
        directory = self._config.directory
        if self._config.built is not None and not os.path.lexists(directory):
            return None
        return read_sources(directory)

    def _read(self, sources: Sources | None, pause: Callable[[], None] | None) -> Bundle:
        try:
            built = self._read_built(sources, pause)
        except BuiltError as error:
            if sources is None or not self._config.rebuild:
                raise
            self._refused(error)
        else:
            if built is not None:
                return built
        if sources is None:
            raise AssertionError(self._config)  # without a built file, there is no bundle without sources
        if pause is None or self._config.reload is ReloadIn.THREAD:
            return parse_bundle(sources)
        return finish(read_built(*self._process.build(self._config.directory), self._config.directory), pause)

    def _read_built(self, sources: Sources | None, pause: Callable[[], None] | None) -> Bundle | None:
        config = self._config
        if config.built is None or config.built_sha256 is None:
            return None
        data = read_built_file(config.built)
        revision = None if sources is None else sources.revision
        return finish(read_built(data, config.built_sha256, config.directory, revision), pause)
