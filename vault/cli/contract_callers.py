"""Makes the folder of callers that ``cardvault contract`` runs with, for a vault with a development authority.

Beside the certificates of ``vault.contract.callers`` the folder gets ``access.toml``: the entries that the
vault's access file needs for them. They give roles for the run's program and for one more, neither of which has
to exist.
"""

import shutil
import tempfile
from pathlib import Path

from vault.cli.certificates import create_authority, load_authority
from vault.contract.callers import AUTHORITY, NOBODY, TWIN
from vault.contract.fields import ELSEWHERE
from vault.contract.options import ROLES

OTHER_PROGRAM = "contract-elsewhere"
_PREFIX = "spiffe://cardvault.dev/contract/"


def make_callers(folder: Path, authority: Path, *programs: str) -> None:
    """Write every caller's certificate and key, the authority's certificate and ``access.toml``.

    Args:
        folder: Where they go; made where it is missing.
        authority: The folder of the development authority by which the vault knows its clients, and which made
            the vault's own certificate.
        programs: The programs for which the callers hold their roles.

    Raises:
        AlreadyExists: The folder has some of them.
        InvalidInput: The authority's folder holds none.
    """
    known = load_authority(authority)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("stranger", "denied", ELSEWHERE, TWIN, *ROLES):
        known.issue_caller(folder, name, _PREFIX + name)
    known.issue_caller(folder, "expired", _PREFIX + TWIN, expired=True)
    known.issue_unnamed(folder, "unnamed")
    with tempfile.TemporaryDirectory() as foreign:
        create_authority(Path(foreign)).issue_caller(folder, "foreign", _PREFIX + TWIN)
    shutil.copyfile(authority / "ca.pem", folder / AUTHORITY)
    (folder / "access.toml").write_text(access_entries(*programs), encoding="utf-8")


def access_entries(*programs: str) -> str:
    """Return the entries of the access file for callers who hold their roles for these programs, TOML."""
    held = {ELSEWHERE: ([OTHER_PROGRAM], ROLES), TWIN: (programs, ROLES)}
    held |= {role: (programs, (role,)) for role in ROLES}
    entries = [f"# The callers of `cardvault contract`; {NOBODY} and the strangers need no entry.\n"]
    entries.append(f'[[principal]]\nname = "{_PREFIX}denied"\ndenied = true\n')
    for name, (asked, roles) in held.items():
        listed = ", ".join(f'"{role}"' for role in roles)
        given = ", ".join(f'"{program}" = [{listed}]' for program in asked)
        entries.append(f'[[principal]]\nname = "{_PREFIX}{name}"\nroles = {{ {given} }}\n')
    return "\n".join(entries)
