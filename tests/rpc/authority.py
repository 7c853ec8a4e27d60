"""A certificate authority for tests."""

import datetime as dt
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Pair(NamedTuple):
    certificate: bytes
    private_key: bytes


class Authority:
    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key, [], is_authority=True)
        self.certificate = self._certificate.public_bytes(Encoding.PEM)

    def server(
        self, *, name: str = "server", key: Key | None = None, from_days: float = -1, to_days: float = 1
    ) -> Pair:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return self.issue(name, names, key=key, from_days=from_days, to_days=to_days)

    def client(self, *uris: str, dns: tuple[str, ...] = ()) -> Pair:
        uri_names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        return self.issue("client", [*uri_names, *(x509.DNSName(name) for name in dns)])

    def issue(
        self,
        name: str,
        names: list[x509.GeneralName],
        *,
        key: Key | None = None,
        from_days: float = -1,
        to_days: float = 1,
    ) -> Pair:
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(name), key, names, from_days=from_days, to_days=to_days)
        return Pair(certificate.public_bytes(Encoding.PEM), key_pem(key))

    def _sign(
        self,
        subject: x509.Name,
        key: Key,
        names: list[x509.GeneralName],
        *,
        is_authority: bool = False,
        from_days: float = -1,
        to_days: float = 1,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + dt.timedelta(days=from_days))
            .not_valid_after(NOW + dt.timedelta(days=to_days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
