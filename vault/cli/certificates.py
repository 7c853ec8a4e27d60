"""Certificates for development: an authority, a server and callers, none of them fit for real use.

1. Every certificate is named as one for development and ends after 90 days.
2. Keys are ECDSA P-256 (FIPS 186-5), in files of mode 0600; an existing file is never overwritten.
3. A caller is known by a SPIFFE URI in its certificate, the vault by DNS localhost, 127.0.0.1 and ::1.

The authority's private key lies beside its certificate, so whoever reads the folder can be any caller.

Files of the folder, PEM: ``ca.pem`` and ``ca.key``, ``server.pem`` and ``server.key``, ``NAME.pem`` and
``NAME.key`` for each caller.
"""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.errors import AlreadyExists, InvalidInput

LIFETIME = timedelta(days=90)
CLOCK_SKEW = timedelta(minutes=5)
SPIFFE_ID = re.compile(r"spiffe://[a-z0-9.-]{1,255}(/[A-Za-z0-9._-]+)+")


class Authority:
    """A development authority: its certificate and private key."""

    def __init__(self, certificate: x509.Certificate, private_key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.private_key = private_key

    def issue_server(self, folder: Path) -> None:
        """Write ``server.pem`` and ``server.key``."""
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
        self._issue(folder, "server", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def issue_caller(self, folder: Path, name: str, principal: str, *, expired: bool = False) -> None:
        """Write ``NAME.pem`` and ``NAME.key`` for a caller with this SPIFFE id.

        Args:
            folder: Where they go.
            name: The caller's name in the folder.
            principal: Its SPIFFE id.
            expired: True for a certificate that ended yesterday, to try how it is refused.

        Raises:
            InvalidInput: The principal is not a SPIFFE id.
        """
        if not SPIFFE_ID.fullmatch(principal):
            message = f"{principal!r} is not a SPIFFE id such as spiffe://example.org/shop"
            raise InvalidInput(message)
        names = [x509.UniformResourceIdentifier(principal)]
        until = datetime.now(UTC) + (-timedelta(days=1) if expired else LIFETIME)
        self._issue(folder, name, names, ExtendedKeyUsageOID.CLIENT_AUTH, until)

    def issue_unnamed(self, folder: Path, name: str) -> None:
        """Write ``NAME.pem`` and ``NAME.key`` for a caller without a name that the vault takes, to try its refusal."""
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        self._issue(folder, name, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        folder: Path,
        name: str,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        until: datetime | None = None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _begin(f"Cardvault development {name}", key.public_key(), until)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(_authority_key(self.private_key.public_key()), critical=False)
            .sign(self.private_key, hashes.SHA256())
        )
        _write_pair(folder, name, certificate, key)


def create_authority(folder: Path) -> Authority:
    """Make an authority and write ``ca.pem`` and ``ca.key``; the folder is made where it is missing.

    Raises:
        AlreadyExists: The folder has one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begin("Cardvault development authority", key.public_key())
        .issuer_name(_name("Cardvault development authority"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate, key)
    return Authority(certificate, key)


def load_authority(folder: Path) -> Authority:
    """Load the authority of a folder.

    Raises:
        InvalidInput: Its files are not those of a development authority.
    """
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = f"{folder} does not hold a development authority"
        raise InvalidInput(message)
    return Authority(certificate, key)


def create_all(folder: Path, callers: Mapping[str, str]) -> None:
    """Make an authority, the server's certificate and one for each caller, name to SPIFFE id.

    Raises:
        AlreadyExists: The folder has some of them.
        InvalidInput: A SPIFFE id is none.
    """
    authority = create_authority(folder)
    authority.issue_server(folder)
    for name, principal in callers.items():
        authority.issue_caller(folder, name, principal)


def _begin(name: str, public_key: ec.EllipticCurvePublicKey, until: datetime | None = None) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = until or now + LIFETIME
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority_key(public_key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    _write(folder / f"{name}.key", key.private_bytes(pem, pkcs8, serialization.NoEncryption()), 0o600)
    _write(folder / f"{name}.pem", certificate.public_bytes(pem), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        message = f"{path} exists; choose another folder, or delete it"
        raise AlreadyExists(message, reason="FILE_EXISTS") from None
    with open(descriptor, "wb") as file:  # noqa: PTH123  # from a descriptor
        file.write(content)
