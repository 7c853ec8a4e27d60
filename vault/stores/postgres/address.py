"""Where the database is and how it is reached.

1. The password comes from a file, is read anew for every connection, and is part of no text that anyone sees.
2. Over a network the server is verified (TLS, ``sslmode=verify-full``) unless the words ask for less, and never
   less than encryption; only a Unix socket goes without.
3. Of several hosts the one that takes writes is used (``target_session_attrs=read-write``); for a replica a
   standby, or what else answers (``prefer-standby``).
"""

import re
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from vault.errors import FailedPrecondition
from vault.secretfile import read_secret_file

CONNECT_SECONDS = 2
"""How long to wait for each host, unless ``connect_timeout`` says otherwise."""

_DEFAULTS = {
    "application_name": "cardvault",
    "client_encoding": "UTF8",
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "target_session_attrs": "read-write",
}
_REPLICA = {"target_session_attrs": "prefer-standby"}
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_SECRETS = frozenset({"password", "sslpassword", "passfile"})


class Address(NamedTuple):
    """A database: ``dsn`` in libpq's key words, the file that holds its password, and how to talk to it.

    ``statements`` is how many statements are kept prepared on a connection; 0 prepares none, as PgBouncer wants
    it in transaction mode. A ``replica`` is only read.
    """

    dsn: str
    password_file: Path | None = None
    statements: int = 100
    replica: bool = False

    def words(self) -> dict[str, str]:
        """Return what libpq is given, the password included.

        Raises:
            FailedPrecondition: The words are not libpq's, hold a password, or would send it unencrypted over a
                network; or the password's file cannot be used.
        """
        words = self.checked()
        if self.password_file is not None:
            words["password"] = read_secret_file(self.password_file).decode().rstrip("\r\n")
        return words

    def checked(self) -> dict[str, str]:
        """Return what libpq is given, without the password.

        Raises:
            FailedPrecondition: As for ``words``, the file apart.
        """
        try:
            given = conninfo_to_dict(self.dsn)
        except psycopg.ProgrammingError:
            raise self._refused("is not written in libpq's key words") from None
        words = {name: str(value) for name, value in given.items()}
        if "://" in self.dsn or _SECRETS & words.keys():
            raise self._refused("must not hold a password: name its file in store.password_file")
        if _over_network(words):
            words.setdefault("sslmode", "verify-full")
            mode = words["sslmode"]
            if mode not in _ENCRYPTED:
                raise self._refused(f"asks for sslmode={mode}; over a network it is require or stronger")
        return _DEFAULTS | (_REPLICA if self.replica else {}) | words

    def _refused(self, problem: str) -> FailedPrecondition:
        setting = "store.replica_dsn" if self.replica else "store.dsn"
        return FailedPrecondition(f"{setting} {problem}", reason="CONFIGURATION", field=setting)


def _over_network(words: dict[str, str]) -> bool:
    hosts = re.split(r"\s*,\s*", words.get("host", "")) + re.split(r"\s*,\s*", words.get("hostaddr", ""))
    return any(host and not host.startswith(("/", "@")) for host in hosts)
