"""Certificates for development."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.cli.certificates import create_all, load_authority
from vault.cli.commands import main
from vault.errors import AlreadyExists, InvalidInput

SHOP = "spiffe://cardvault.dev/shop"


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_all(tmp_path / "certificates", {"shop": SHOP})
    return tmp_path / "certificates"


def test_keys_are_for_their_owner_alone(folder: Path) -> None:
    for path in folder.glob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path


@pytest.mark.parametrize("name", ["ca", "server", "shop"])
def test_certificates_are_named_as_development_end_in_90_days_and_are_p256(folder: Path, name: str) -> None:
    certificate = load(folder / f"{name}.pem")
    common_name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert "development" in str(common_name)
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert timedelta(days=90) <= lifetime <= timedelta(days=90, hours=1)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    certificate.verify_directly_issued_by(load(folder / "ca.pem"))


def test_a_caller_is_known_by_its_spiffe_id_and_can_be_no_server(folder: Path) -> None:
    extensions = load(folder / "shop.pem").extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [SHOP]
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_server_is_known_as_localhost(folder: Path) -> None:
    names = load(folder / "server.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_nothing_is_overwritten(folder: Path) -> None:
    before = (folder / "ca.key").read_bytes()
    with pytest.raises(AlreadyExists):
        create_all(folder, {"shop": SHOP})
    assert (folder / "ca.key").read_bytes() == before


def test_a_caller_is_added_under_the_same_authority(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "certificates", str(folder), "--name", "spiffe://cardvault.dev/kiosk"]) == 0
    assert capsys.readouterr().out == f"{folder / 'kiosk.pem'}\n"
    load(folder / "kiosk.pem").verify_directly_issued_by(load(folder / "ca.pem"))


@pytest.mark.parametrize("principal", ["shop", "https://cardvault.dev/shop", "spiffe://cardvault.dev", "spiffe://x/ y"])
def test_what_is_no_spiffe_id_is_refused(folder: Path, principal: str) -> None:
    with pytest.raises(InvalidInput, match="SPIFFE"):
        load_authority(folder).issue_caller(folder, "name", principal)


def test_a_folder_without_an_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(InvalidInput, match="authority"):
        load_authority(tmp_path)
