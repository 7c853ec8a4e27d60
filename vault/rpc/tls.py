"""The server's side of mutual TLS, with files that are read again when their content changes.

1. A client without a certificate from one of the authorities never gets past the handshake.
2. Only TLS 1.3 is spoken (see ``rpc.environment`` and ``rpc.certificate``).
3. Certificate, key and authorities are looked at again with every new connection; connections that are open
   stay. Files that do not fit, such as a certificate put in place before its key, leave the ones before in
   force, and the log says so once for each content.
"""

import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path

import grpc

from vault import log
from vault.errors import FailedPrecondition
from vault.rpc import environment
from vault.rpc.certificate import Identity, check_identity
from vault.secretfile import read_secret_file

_log = log.get(__name__)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class TlsFiles:
    """The server's certificate, private key and client authorities, by path."""

    def __init__(
        self, certificate: Path, private_key: Path, client_ca: Path, *, clock: Callable[[], dt.datetime] = _now
    ) -> None:
        """Read and check the files.

        Args:
            certificate: The server's certificate and its chain, PEM, leaf first, with an ECDSA key.
            private_key: Its private key, PEM, unencrypted, in a file that others can't read.
            client_ca: Certificates of the authorities that client certificates must come from, PEM.
            clock: Tells the time, with its zone.

        Raises:
            FailedPrecondition: A server can't be run with these files; the message says why.
        """
        self._paths = (certificate, private_key, client_ca)
        self._clock = clock
        self._lock = threading.Lock()
        self._complaint = ""
        self._identity = self._read()
        self._shown = self._identity
        self.expires = check_identity(self._identity, clock())

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for a server's port.

        Raises:
            RuntimeError: ``environment.prepare_environment`` was not called, so TLS 1.2 would be spoken.
        """
        if not environment.prepared():
            message = "prepare_environment() must be called before grpc is imported"
            raise RuntimeError(message)
        self._shown = self._identity
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._shown),
            self.changed,  # type: ignore[arg-type]  # the stubs leave out that None means no change
            require_client_authentication=True,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Look at the files again; return their configuration if they are new and good, else None.

        gRPC calls this from its own threads, for each new connection.
        """
        self.refresh()
        with self._lock:
            if self._shown is self._identity:
                return None
            self._shown = self._identity
            return _configuration(self._shown)

    def refresh(self) -> str:
        """Look at the files now; if they are new and good, the next connection gets them.

        Returns:
            What came of it: ``new``, ``same`` or ``refused``.
        """
        with self._lock:
            try:
                identity = self._read()
                if identity == self._identity:
                    self._complaint = ""
                    return "same"
                self.expires = check_identity(identity, self._clock())
            except FailedPrecondition as error:
                if error.message != self._complaint:
                    self._complaint = error.message
                    _log.error("certificate_refused", problem=error.message, in_force="the one before")
                return "refused"
            self._identity, self._complaint = identity, ""
            _log.info("certificate_loaded", expires=self.expires.isoformat())
            return "new"

    def _read(self) -> Identity:
        certificate, private_key, client_ca = self._paths
        return Identity(_read_public(certificate), read_secret_file(private_key), _read_public(client_ca))


def _read_public(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the certificate file {path} cannot be read: {error.strerror}"
        raise FailedPrecondition(message, reason="CERTIFICATE") from None


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    pair = (identity.private_key, identity.certificate)
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=identity.client_ca)
