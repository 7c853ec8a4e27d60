import hashlib

import pytest

from vault.errors import InvalidInput
from vault.model.states import Role
from vault.policy.access import NO_GRANTS, parse_access
from vault.policy.call import Call

SHOP = "spiffe://example.org/shop"
FILE = b"""
[[principal]]
name = "spiffe://example.org/shop"
roles = { "netcash" = ["validator", "detail"], "other" = ["validator"], "*" = ["auditor"] }
[[principal]]
name = "old.example.org"
denied = true
roles = { "*" = ["operator"] }
"""


def test_roles_are_held_for_the_programs_named() -> None:
    grants = parse_access(FILE).grants(SHOP)
    assert grants
    assert grants.holds(Role.VALIDATOR, "netcash")
    assert grants.holds(Role.DETAIL, "netcash")
    assert not grants.holds(Role.DETAIL, "other")
    assert not grants.holds(Role.VALIDATOR, "third")
    assert not grants.holds(Role.VALIDATOR, "")
    assert not grants.holds(Role.ISSUER, "netcash")
    assert grants.programs(Role.VALIDATOR) == {"netcash", "other"}


def test_a_role_for_every_program_is_held_for_any_and_for_none_named() -> None:
    grants = parse_access(FILE).grants(SHOP)
    assert grants
    assert grants.holds(Role.AUDITOR, "anything")
    assert grants.holds(Role.AUDITOR, "")
    assert grants.programs(Role.AUDITOR) == {"*"}
    assert [role for role in Role if grants.holds_any(role)] == [Role.VALIDATOR, Role.AUDITOR, Role.DETAIL]


def test_the_denied_hold_nothing_whatever_else_is_written() -> None:
    grants = parse_access(FILE).grants("old.example.org")
    assert grants
    assert grants.denied
    assert not any(grants.holds_any(role) for role in Role)


def test_who_is_not_named_has_no_grants() -> None:
    access = parse_access(FILE)
    assert access.grants("spiffe://example.org/shop2") is None
    assert access.sha256 == hashlib.sha256(FILE).digest()
    assert not any(NO_GRANTS.holds(role, "") for role in Role)


def test_an_empty_file_names_nobody() -> None:
    assert not parse_access(b"").principals


RELAYED = b"""
[[principal]]
name = "spiffe://example.org/shop"
roles = { "netcash" = ["validator"] }
relays = ["ledger.example.org", "gateway.example.org"]
receipt_audiences = ["ledger.example.org", "urn:example:till"]
[[principal]]
name = "edge.example.org"
relays = ["ledger.example.org"]
[[principal]]
name = "ledger.example.org"
roles = { "netcash" = ["redeemer"] }
[[principal]]
name = "gateway.example.org"
denied = true
receipt_audiences = ["gateway.example.org"]
[[principal]]
name = "stolen.example.org"
denied = true
relays = ["ledger.example.org"]
"""


def presented(principal: str) -> list[str]:
    access = parse_access(RELAYED)
    grants = access.grants(principal)
    assert grants
    return [audience for audience in (*access.principals, "nobody.example.org", "") if grants.presents(audience)]


def test_a_principal_presents_what_is_sealed_for_it_and_for_those_that_name_it_as_a_relay() -> None:
    assert presented(SHOP) == [SHOP]
    assert presented("edge.example.org") == ["edge.example.org"]
    assert presented("ledger.example.org") == [SHOP, "edge.example.org", "ledger.example.org"]


def test_the_denied_present_nothing_and_nobody_presents_for_them() -> None:
    assert presented("gateway.example.org") == []
    assert presented("stolen.example.org") == []
    assert "stolen.example.org" not in presented("ledger.example.org")


def test_receipts_are_made_out_only_to_whom_the_entry_names() -> None:
    principals = parse_access(RELAYED).principals
    assert principals[SHOP].receipt_audiences == {"ledger.example.org", "urn:example:till"}
    assert principals["ledger.example.org"].receipt_audiences == frozenset()
    assert principals["gateway.example.org"].receipt_audiences == frozenset()
    assert not NO_GRANTS.presents("")
    assert not NO_GRANTS.receipt_audiences


ENTRY = '[[principal]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "not TOML"),
        ("other = 1", "unknown key 'other'"),
        ("principal = 1", r"\[\[principal\]\]"),
        ("principal = [1]", "principal 1 .* needs a name"),
        ("[[principal]]\nroles = {}", "principal 1 .* needs a name"),
        ('[[principal]]\nname = "Shop"', "principal 1 .* needs a name"),
        ('[[principal]]\nname = "spiffe://only"', "principal 1 .* needs a name"),
        (f'[[principal]]\nname = "spiffe://a/{"b" * 2048}"', "principal 1 .* needs a name"),
        (ENTRY, r"principal 1 \(a\) .* neither roles nor relays nor denied"),
        (ENTRY + "role = {}", "unknown key 'role'"),
        (ENTRY + "denied = 1", "denied is true or false"),
        (ENTRY + "roles = 1", "roles is a table"),
        (ENTRY + 'roles = { "No" = ["keeper"] }', "'No' is neither"),
        (ENTRY + 'roles = { "netcash" = "keeper" }', "a list of roles"),
        (ENTRY + 'roles = { "netcash" = [] }', "a list of roles"),
        (ENTRY + 'roles = { "netcash" = ["king"] }', "'king' is not a role"),
        (ENTRY + 'roles = { "netcash" = ["KEEPER"] }', "'KEEPER' is not a role"),
        (ENTRY + 'roles = { "netcash" = [1] }', "1 is not a role"),
        (ENTRY + 'roles = { "netcash" = ["keeper", "keeper"] }', "named twice"),
        ((ENTRY + "denied = true\n") * 2, "names a twice"),
        (ENTRY + "relays = []", "neither roles nor relays nor denied"),
        (ENTRY + 'receipt_audiences = ["b"]', "neither roles nor relays nor denied"),
        (ENTRY + 'relays = "b"', "relays is a list of texts"),
        (ENTRY + "relays = [1]", "relays is a list of texts"),
        (ENTRY + 'relays = ["b"]', "relay 'b' is not another principal"),
        (ENTRY + 'relays = ["a"]', "relay 'a' is not another principal"),
        (ENTRY + 'relays = ["b", "b"]', "relays names one twice"),
        (ENTRY + 'denied = true\nrelays = ["b"]', "relay 'b' is not another principal"),
        (ENTRY + "denied = true\nreceipt_audiences = 1", "receipt_audiences is a list of texts"),
        (ENTRY + 'denied = true\nreceipt_audiences = ["b", "b"]', "receipt_audiences names one twice"),
        (ENTRY + 'denied = true\nreceipt_audiences = [""]', "'' is no audience"),
        (ENTRY + 'denied = true\nreceipt_audiences = ["a b"]', "'a b' is no audience"),
        (ENTRY + f'denied = true\nreceipt_audiences = ["{"b" * 2049}"]', "is no audience"),
    ],
)
def test_what_is_not_understood_is_refused_and_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_access(text.encode())


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        parse_access(b"\xff")


def test_grants_and_calls_can_be_shown() -> None:
    grants = parse_access(FILE).grants(SHOP)
    assert grants
    assert repr(grants) == "<Grants validator: ['netcash', 'other'], auditor: ['*'], detail: ['netcash']>"
    call = Call(SHOP, grants, "vault.v1.CardService/GetCard", "id-1", None, b"4000001234567899")
    for shown in (repr(call), str(call), f"{call}"):
        assert shown == f"<Call vault.v1.CardService/GetCard by {SHOP}, correlation id id-1>"
