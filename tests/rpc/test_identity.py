import pytest

from vault.errors import Unauthenticated
from vault.rpc.identity import principal_of


def test_the_only_spiffe_id_is_the_principal() -> None:
    context = {"peer_uri": [b"spiffe://example.org/a/b"], "peer_dns": [b"x.example", b"y.example"]}
    assert principal_of(context) == "spiffe://example.org/a/b"


def test_the_only_dns_name_is_the_principal_in_lower_case() -> None:
    assert principal_of({"peer_dns": [b"Shop.Example"]}) == "shop.example"
    assert principal_of({"peer_dns": [b"shop"], "peer_uri": [b"https://elsewhere"]}) == "shop"


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"peer_dns": [b"a.example", b"b.example"]},
        {"peer_dns": [b"spiffe://test/root"]},
        {"peer_dns": [b"a\x00.example"]},
        {"peer_dns": [b"*.example"]},
        {"peer_uri": [b"spiffe://a/b", b"spiffe://a/c"]},
        {"peer_uri": [b"spiffe://a/b", b"https://a"], "peer_dns": [b"a"]},
        {"peer_uri": [b"spiffe://a"], "peer_dns": [b"a"]},
        {"peer_uri": [b"SPIFFE://a/b"], "peer_dns": [b"a"]},
        {"peer_uri": [b"spiffe://a/b\x00c"]},
        {"peer_uri": [b"spiffe://a/" + b"b" * 2048]},
        {"peer_uri": [b"https://a"]},
        {"x509_common_name": [b"root"]},
    ],
)
def test_a_certificate_without_one_clear_name_names_nobody(context: dict[str, list[bytes]]) -> None:
    with pytest.raises(Unauthenticated):
        principal_of(context)
