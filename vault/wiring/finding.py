"""What an examination of a vault has found, line by line, each with what to do about it."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from vault.errors import VaultError


class Mark(StrEnum):
    """How a thing stands: a warning can wait, a problem cannot."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One thing that was looked at, what was seen, and what to do, empty where nothing is."""

    what: str
    mark: Mark
    seen: str
    to_do: str = ""


Look = Callable[[], Finding | Iterable[Finding]]

_CERTIFICATE = "put a certificate, its key and the authorities in place that fit; a vault that runs reads them again"
_RESTORE_KEY = "put the root key back that this database was made with, from its copy"

TO_DO: Mapping[str, str] = MappingProxyType(
    {
        "CONFIGURATION": "mend the setting in the configuration file",
        "SECRET_FILE": "make it a file that only the vault's user can read: chown and chmod 0600",
        "CERTIFICATE": _CERTIFICATE,
        "ACCESS_FILE": "mend the access file; until then the one before stays in force",
        "ROOT_KEY_FILE": _RESTORE_KEY,
        "ROOT_KEY": _RESTORE_KEY,
        "ROOT_VERSION": _RESTORE_KEY,
        "NOT_MIGRATED": "run `cardvault migrate`",
        "VAULT_NOT_INITIALISED": "run `cardvault migrate`, or `cardvault restore` if there was a vault",
        "NOT_A_VAULT": "name the vault's own database in [store]",
        "SCHEMA_TOO_NEW": "run the release that migrated it, or a newer one",
        "DATABASE_UNREADABLE": "give the vault's user the database file and its folder",
        "DATABASE_DAMAGED": "restore the last backup (`cardvault restore`)",
        "NOT_INSTALLED": "install the extra that the message names, or empty the setting",
        "ROW_TAG": "a stored row was changed past the vault: keep a copy of the database, then restore the last backup",
        "UNAVAILABLE": "see that the database runs, can be reached and has room on its disk",
    }
)
"""What to do, by the reason of what an examination ran into."""


def findings(looks: Iterable[tuple[str, Look]]) -> list[Finding]:
    """Look at one thing after the other; what a look refuses is what was found."""
    found: list[Finding] = []
    for what, look in looks:
        try:
            seen = look()
        except VaultError as error:
            found.append(refused(what, error))
        except OSError as error:
            seen_instead = f"{error.filename or what}: {error.strerror}"
            found.append(Finding(what, Mark.PROBLEM, seen_instead, "see that the vault's user can reach it"))
        else:
            found += [seen] if isinstance(seen, Finding) else seen
    return found


def refused(what: str, error: VaultError) -> Finding:
    """Return the finding of something that was refused."""
    return Finding(what, Mark.PROBLEM, error.message, TO_DO.get(error.reason, "see the message; the log tells more"))
