"""Who the cases are sent by, and what each of them must be refused.

The certificates of a run lie in one folder, PEM: ``ca.pem``, the authority that vouches for the vault, and
``NAME.pem`` with ``NAME.key`` for each caller:

    foreign      issued by an authority that the vault does not know
    expired      issued by the vault's authority for clients, and expired
    unnamed      names neither a SPIFFE id nor a DNS name
    stranger     not in the access file
    denied       denied in the access file
    elsewhere    holds every role, for another program than the run's
    twin         holds every role for the run's program
    ROLE         holds that role alone, for the run's program; one caller for each role

None of them holds more than that; in particular no role for every program (``*``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from vault.contract import case
from vault.contract.case import Case, Expected
from vault.contract.fields import ELSEWHERE
from vault.contract.options import ROLES, Method
from vault.contract.requests import good_request
from vault.errors import InvalidInput

NOBODY = "nobody"
TWIN = "twin"
REFUSED_BY_TLS: Mapping[str, str] = MappingProxyType(
    {
        NOBODY: "has no certificate",
        "foreign": "has a certificate of an authority that the vault does not know",
        "expired": "has an expired certificate",
    }
)
REFUSED_BY_NAME: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "unnamed": ("UNAUTHENTICATED", "PRINCIPAL_UNNAMED"),
        "stranger": ("PERMISSION_DENIED", "PRINCIPAL_UNKNOWN"),
        "denied": ("PERMISSION_DENIED", "PRINCIPAL_DENIED"),
    }
)
CALLERS: Mapping[str, str] = MappingProxyType(
    {
        **REFUSED_BY_TLS,
        "unnamed": "has a certificate that names neither a SPIFFE id nor a DNS name",
        "stranger": "is not in the access file",
        "denied": "is denied in the access file",
        ELSEWHERE: "holds every role, for another program than the run's",
        TWIN: "holds every role for the run's program",
        **{role: f"holds the role {role} alone, for the run's program" for role in ROLES},
    }
)
"""Every caller, and what is told of it."""
AUTHORITY = "ca.pem"
_MOST_NAMED = 6


class Certificate(NamedTuple):
    """A caller's certificate and private key, PEM."""

    certificate: bytes
    private_key: bytes

    def __repr__(self) -> str:
        return "<Certificate>"


class Callers(NamedTuple):
    """The authority that vouches for the vault, and the callers' certificates; None for who has none."""

    authority: bytes
    certificates: Mapping[str, Certificate | None]


def load_callers(folder: Path) -> Callers:
    """Read a folder of callers.

    Raises:
        InvalidInput: Files are missing from it; the message names them.
    """
    names = [AUTHORITY, *(f"{name}.{kind}" for name in CALLERS if name != NOBODY for kind in ("pem", "key"))]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        named = ", ".join(missing[:_MOST_NAMED]) + more
        message = f"{folder} lacks {named}; `cardvault dev callers` makes such a folder to try with"
        raise InvalidInput(message, reason="CALLERS")
    read = {name: (folder / name).read_bytes() for name in names}
    certificates = {name: Certificate(read[f"{name}.pem"], read[f"{name}.key"]) for name in CALLERS if name != NOBODY}
    return Callers(read[AUTHORITY], {NOBODY: None, **certificates})


def caller_cases(method: Method) -> Iterator[Case]:
    """Walk the cases of who may call a method: a good request from each who may not, a bad one from who may."""
    good = good_request(method.request)
    for caller, told in REFUSED_BY_TLS.items():
        yield Case(f"by one who {told}", method.name, caller, Expected(("UNAVAILABLE",)), good)
    for caller, (status, reason) in REFUSED_BY_NAME.items():
        expected = Expected((status,), reason)
        yield Case(f"by one who {CALLERS[caller]}", method.name, caller, expected, good)
    missing = Expected(("PERMISSION_DENIED",), "ROLE_MISSING")
    for role in ROLES:
        if role != method.role:
            yield Case(f"by one with the role {role} alone", method.name, role, missing, good)
    # Past the role, the bytes are looked at: whoever may call learns that they are none.
    expected = Expected(("INVALID_ARGUMENT",), case.MALFORMED)
    for caller in (method.role, TWIN):
        yield Case(f"by {caller}, malformed", method.name, caller, expected, raw=b"\xff")
    if method.any_program:
        expected = Expected(accepted="program")
        effects = not method.reads_only
        yield Case("with the role on another program", method.name, ELSEWHERE, expected, good, effects=effects)
    else:
        yield Case("with the role on another program", method.name, ELSEWHERE, missing, good)
    expected = Expected(accepted="program")
    for caller in (method.role, TWIN):
        effects = not method.reads_only
        yield Case(f"by {caller}", method.name, caller, expected, good, effects=effects)
