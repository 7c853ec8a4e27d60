"""Looking at the files that a vault is started from: permissions, certificate, access file, root key, free space."""

import datetime as dt
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.config import Config
from vault.errors import FailedPrecondition
from vault.policy.access import parse_access
from vault.rpc.tls import TlsFiles
from vault.secretfile import check_private
from vault.tracing import check_installed
from vault.wiring.finding import Finding, Look, Mark
from vault.wiring.parts import open_custody

WARN_DAYS: Final = 30
SOON_DAYS: Final = 7
LEAST_FREE_BYTES: Final = 1 << 30
TEMPORARY_BYTES: Final = 64 << 20


def file_looks(config: Config) -> list[tuple[str, Look]]:
    """Return what is to be looked at in the files."""
    return [
        ("secret files", lambda: _secret_files(config)),
        ("other files", lambda: _other_files(config)),
        ("server certificate", lambda: _certificate(config)),
        ("access file", lambda: _access(config)),
        ("root key", lambda: _root_key(config)),
        ("traces", lambda: _traces(config)),
        ("disk space", lambda: _space(config)),
    ]


def _secret_files(config: Config) -> Finding:
    secrets = [config.server.private_key, config.custody.root_key, config.store.password_file]
    for path in filter(None, secrets):
        check_private(path)
    return Finding("secret files", Mark.OK, "only the vault's user can read them")


def _other_files(config: Config) -> Finding:
    """Find the files that decide something and that others may change."""
    server = config.server
    deciding = (config.path, server.access_file, server.certificate, server.client_ca)
    loose = [path for path in deciding if _writable(path)]
    mark = Mark.PROBLEM if any(_mode(path) & 0o002 for path in loose) else Mark.WARNING
    database = config.store.path
    if config.store.kind == "sqlite" and database.exists() and _mode(database) & 0o077:
        return Finding(
            "other files", Mark.WARNING, f"others can read or write the database {database}", f"chmod 0600 {database}"
        )
    if not loose:
        return Finding("other files", Mark.OK, "only the vault's user or root can change them")
    named = ", ".join(map(str, loose))
    return Finding("other files", mark, f"others can change {named}", f"chmod go-w {named}")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _writable(path: Path) -> bool:
    found = path.stat()
    return bool(found.st_mode & 0o022) or found.st_uid not in (0, os.geteuid())


def _certificate(config: Config) -> Finding:
    server = config.server
    expires = TlsFiles(server.certificate, server.private_key, server.client_ca).expires
    days = (expires - dt.datetime.now(dt.UTC)).days
    seen = f"expires on {expires:%Y-%m-%d}, in {days} days"
    if days >= WARN_DAYS:
        return Finding("server certificate", Mark.OK, seen)
    mark = Mark.WARNING if days >= SOON_DAYS else Mark.PROBLEM
    return Finding("server certificate", mark, seen, "renew it; a vault that runs reads it again by itself")


def _access(config: Config) -> Finding:
    path = config.server.access_file
    try:
        access = parse_access(path.read_bytes())
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise FailedPrecondition(message, reason="ACCESS_FILE") from None
    seen = f"names {len(access.principals)} principals"
    if access.principals:
        return Finding("access file", Mark.OK, seen)
    return Finding("access file", Mark.WARNING, seen, "name in it who may call the vault")


def _root_key(config: Config) -> Finding:
    custody = open_custody(config)
    return Finding("root key", Mark.OK, f"its version in use is {custody.root_version}")


def _traces(config: Config) -> Finding:
    endpoint = config.operations.trace_endpoint
    if endpoint is None:
        return Finding("traces", Mark.OK, "no collector is told")
    check_installed()
    return Finding("traces", Mark.OK, f"{endpoint} is told")


def _space(config: Config) -> Iterator[Finding]:
    places = [("temporary files", Path(tempfile.gettempdir()), TEMPORARY_BYTES)]
    if config.store.kind == "sqlite":
        places.append(("the database", config.store.path.parent, LEAST_FREE_BYTES))
    for what, folder, least in places:
        free = shutil.disk_usage(folder).free
        seen = f"{free >> 20} MiB are free for {what} in {folder}"
        if free >= least:
            yield Finding("disk space", Mark.OK, seen)
        else:
            yield Finding("disk space", Mark.WARNING, seen, f"make room: {least >> 20} MiB at least")
