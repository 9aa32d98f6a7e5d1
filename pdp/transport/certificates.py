"""The TLS of both servers: read when the program starts, and anew when files change."""

from pathlib import Path
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.clock import Clock
from pdp.config.servers import TlsConfig
from pdp.telemetry.metrics import LoadKind, Metrics
from pdp.transport.tls import GrpcTls, HttpTls


@final
class Certificates:
    """`grpc` and `http` are None for a server without TLS."""

    def __init__(self, grpc: TlsConfig | None, http: TlsConfig | None, clock: Clock, metrics: Metrics) -> None:
        """Raises TlsError."""
        self._clock = clock
        self._metrics = metrics
        self.sources: Final = tuple(path for config in (grpc, http) if config is not None for path in _files(config))
        """The files that all of it is read from."""
        self.grpc: Final = None if grpc is None else GrpcTls(grpc, clock())
        self.http: Final = None if http is None else HttpTls(http, clock())
        self._servers: Final = {"grpc": self.grpc, "http": self.http}
        self._show()

    def reload(self) -> None:
        """Read all files anew, for the connections to come.

        A server whose files are at fault goes on with what it had, and the other one is renewed all the same. Raises
        TlsError for the first at fault.
        """
        faults: list[CedarError] = []
        for server in self._servers.values():
            if server is not None:
                try:
                    server.reload(self._clock())
                except CedarError as error:
                    self._metrics.loaded(LoadKind.CERTIFICATES, ok=False)
                    faults.append(error)
                else:
                    self._metrics.loaded(LoadKind.CERTIFICATES, ok=True)
        self._show()
        if faults:
            raise faults[0]

    def _show(self) -> None:
        for name, server in self._servers.items():
            if server is not None:
                self._metrics.certificate_expires(name, server.expires)


def _files(config: TlsConfig) -> tuple[Path, ...]:
    return (config.certificate, config.key, *filter(None, (config.client_ca,)))
