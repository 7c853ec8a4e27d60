"""Checks of the server's certificate, private key and client authorities before they are used.

A certificate whose key is not ECDSA is refused, since TLS 1.3 only works with one (see ``rpc.environment``); so
are one that is expired or not valid yet, and a key that is not its own. Whether clients will trust it is not
known here.
"""

import datetime as dt
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from vault.errors import FailedPrecondition


class Identity(NamedTuple):
    """The server's files as read: PEM each."""

    certificate: bytes
    private_key: bytes
    client_ca: bytes

    def __repr__(self) -> str:
        return "<Identity>"


def check_identity(identity: Identity, now: dt.datetime) -> dt.datetime:
    """Check that a server can be run with these files, and return when its certificate expires.

    Args:
        identity: The files' contents.
        now: The time, with its zone.

    Raises:
        FailedPrecondition: It cannot; the message says which file is at fault and how.
    """
    leaf = _load(identity.certificate, "the server certificate")[0]
    authorities = _load(identity.client_ca, "the client authorities")
    if now >= leaf.not_valid_after_utc:
        message = f"the server certificate has expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
        raise _refused(message)
    if now < leaf.not_valid_before_utc:
        message = f"the server certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise _refused(message)
    public_key = leaf.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        message = "the server certificate must have an ECDSA key, or TLS 1.2 could not be refused"
        raise _refused(message)
    try:
        private_key = load_pem_private_key(identity.private_key, None)
    except (ValueError, TypeError):
        message = "the server's private key is not an unencrypted PEM private key"
        raise _refused(message) from None
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or private_key.public_key() != public_key:
        message = "the server's private key does not belong to its certificate"
        raise _refused(message)
    if not any(now < authority.not_valid_after_utc for authority in authorities):
        message = "every certificate of the client authorities has expired"
        raise _refused(message)
    return leaf.not_valid_after_utc


def _load(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        message = f"{what}: the file holds no PEM certificate"
        raise _refused(message) from None


def _refused(message: str) -> FailedPrecondition:
    return FailedPrecondition(message, reason="CERTIFICATE")
