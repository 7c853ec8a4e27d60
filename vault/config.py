"""The configuration file: ``vault.toml``, read once.

1. Every setting is known, has the right type and is in its range, or the file is refused, naming the setting by
   its path (``server.workers``).
2. Secrets come in as paths of files alone, so the configuration can be shown to anyone.
3. Relative paths start at the file's own folder, wherever the vault is started from.

Whether a named file may be used is for its reader to say; here it only has to be there.
"""

import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from vault.errors import InvalidInput
from vault.log import LEVELS

T = TypeVar("T")

EXAMPLE = """\
# Configuration of a vault. Relative paths start at this file's folder. Secrets are named by file only.

[server]
# Host and port to listen on, as in "127.0.0.1:7443" or "[::]:7443"; port 0 lets the system choose one.
address = "127.0.0.1:7443"
# gRPC worker processes that share the port, 1 to 64; one for each core is right.
workers = 2
# The server's certificate with its chain, PEM, leaf first. Its key must be ECDSA. Read again when it changes.
certificate = "server.crt"
# The certificate's private key, PEM, unencrypted; others must not be able to read it. Read again when it
# changes.
private_key = "server.key"
# The authorities that clients' certificates must come from, PEM. Read again when it changes.
client_ca = "client-ca.crt"
# Which principal holds which roles for which programs. Read again when it changes.
access_file = "access.toml"
# Seconds that calls in flight get to finish when the vault stops, 0 to 3600.
drain_seconds = 20
# Seconds of silence after which a process is taken to hang, and is replaced, 2 to 3600.
hang_seconds = 15
# Resident memory in MiB above which a worker that few are connected to is replaced, 0 to 1000000; 0 for never.
worker_mib = 112

[custody]
# Who holds the root key: "file".
kind = "file"
# The root key's file; others must not be able to read it.
root_key = "root.key"

[store]
# Where records live: "sqlite", a file for the vault of one machine, or "postgres", a database for several.
kind = "sqlite"
# SQLite: the database's file; it is made by `cardvault migrate`.
path = "vault.db"
# PostgreSQL: where the database is, in libpq's key words, and never its password. Of several hosts the one that
# takes writes is used; over a network sslmode is verify-full unless it says require or verify-ca.
dsn = "host=/var/run/postgresql dbname=cardvault user=cardvault"
# PostgreSQL: the file that holds the password, "" for none; others must not be able to read it. Read for every
# connection.
password_file = ""
# PostgreSQL: a read replica for ListCards and ListAuditEvents, in libpq's key words, "" for none. A standby is
# preferred among its hosts: name the primary too, and lists go on without the replica.
replica_dsn = ""
# PostgreSQL: seconds that a statement or a commit may take, 1 to 600; then its connection is dropped.
deadline_seconds = 10
# PostgreSQL: statements kept prepared on each connection, 0 to 1000; 0 behind PgBouncer in transaction mode.
prepared_statements = 100

[limits]
# Encryptions under one version of a key-encryption key before the next version takes over, 2000 to 4294967296
# (2 to the 32, NIST SP 800-38D section 8.3).
wraps_per_key = 4294967296
# Hours for which a request can be sent again and gets the same result, 1 to 720.
request_hours = 24
# Seconds for which a receipt counts, 30 to 3600.
receipt_seconds = 300
# What follows holds for each worker process. Calls worked on at once, 16 to 65536; what comes beyond is shed.
calls_in_flight = 512
# Streams (exports, watched jobs) open at once, 1 to 65536.
open_streams = 256
# Calls that may wait for the process before gRPC resets them, 64 to 65536.
waiting_calls = 512
# Milliseconds that calls may wait before some are shed, 10 to 10000.
queue_ms = 100
# Milliseconds that must be left of a call's deadline for it to be begun, 0 to 10000.
least_deadline_ms = 10
# Connections open at once, 16 to 1000000; the process raises its limit of open files as far as it may.
connections = 10000
# Minutes after which a connection is ended, so that callers spread again, 1 to 10080; calls in flight finish.
connection_minutes = 30
# Minutes after which a connection without calls is closed, 1 to 10080.
idle_minutes = 15

[operations]
# Where metrics (/metrics) and health (/live, /ready) are told over plain HTTP, to whoever can connect; "" for
# nowhere. Port 0 lets the system choose one.
address = "127.0.0.1:9464"
# Where traces go: an OpenTelemetry collector's URL for OTLP over HTTP, such as "http://127.0.0.1:4318/v1/traces";
# "" for nowhere. It takes the extra "otel". Traced are calls whose caller traces them.
trace_endpoint = ""
# Milliseconds from which a call counts as slow and is logged as a warning, 1 to 600000.
slow_call_ms = 1000

[log]
# The least level that is logged: "debug", "info", "warning" or "error".
level = "info"
"""


_EXISTING = {"exists": True}


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """How the vault is reached; ``drain_seconds`` and ``hang_seconds`` in seconds."""

    address: str = "127.0.0.1:7443"
    workers: int = field(default=2, metadata={"least": 1, "most": 64})
    certificate: Path = field(metadata=_EXISTING)
    private_key: Path = field(metadata=_EXISTING)
    client_ca: Path = field(metadata=_EXISTING)
    access_file: Path = field(metadata=_EXISTING)
    drain_seconds: int = field(default=20, metadata={"least": 0, "most": 3600})
    hang_seconds: int = field(default=15, metadata={"least": 2, "most": 3600})
    worker_mib: int = field(default=112, metadata={"least": 0, "most": 1_000_000})

    @property
    def host(self) -> str:
        """The host part of the address, without the brackets of IPv6."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of the address; 0 lets the system choose."""
        return int(self.address.rpartition(":")[2])


@dataclass(frozen=True, kw_only=True)
class CustodyConfig:
    """Who holds the root key."""

    kind: str = field(default="file", metadata={"choices": ("file",)})
    root_key: Path = field(metadata=_EXISTING)


@dataclass(frozen=True, kw_only=True)
class StoreConfig:
    """Where records live."""

    kind: str = field(default="sqlite", metadata={"choices": ("sqlite", "postgres")})
    path: Path = Path("vault.db")
    dsn: str = "host=/var/run/postgresql dbname=cardvault user=cardvault"
    password_file: Path | None = field(default=None, metadata={**_EXISTING, "optional": True})
    replica_dsn: str | None = field(default=None, metadata={"optional": True})
    deadline_seconds: int = field(default=10, metadata={"least": 1, "most": 600})
    prepared_statements: int = field(default=100, metadata={"least": 0, "most": 1000})


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """How much and how long; from ``calls_in_flight`` on, for each worker process."""

    wraps_per_key: int = field(default=2**32, metadata={"least": 2000, "most": 2**32})
    request_hours: int = field(default=24, metadata={"least": 1, "most": 720})
    receipt_seconds: int = field(default=300, metadata={"least": 30, "most": 3600})
    calls_in_flight: int = field(default=512, metadata={"least": 16, "most": 65_536})
    open_streams: int = field(default=256, metadata={"least": 1, "most": 65_536})
    waiting_calls: int = field(default=512, metadata={"least": 64, "most": 65_536})
    queue_ms: int = field(default=100, metadata={"least": 10, "most": 10_000})
    least_deadline_ms: int = field(default=10, metadata={"least": 0, "most": 10_000})
    connections: int = field(default=10_000, metadata={"least": 16, "most": 1_000_000})
    connection_minutes: int = field(default=30, metadata={"least": 1, "most": 10_080})
    idle_minutes: int = field(default=15, metadata={"least": 1, "most": 10_080})


@dataclass(frozen=True, kw_only=True)
class OperationsConfig:
    """What operators see; ``slow_call_ms`` in milliseconds."""

    address: str | None = field(default="127.0.0.1:9464", metadata={"optional": True})
    trace_endpoint: str | None = field(default=None, metadata={"optional": True})
    slow_call_ms: int = field(default=1000, metadata={"least": 1, "most": 600_000})


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """What is logged."""

    level: str = field(default="info", metadata={"choices": LEVELS})


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration; ``path`` is the file it came from."""

    path: Path
    server: ServerConfig
    custody: CustodyConfig
    store: StoreConfig
    limits: LimitsConfig
    operations: OperationsConfig
    log: LogConfig


SECTIONS: Mapping[str, type[Any]] = {
    "server": ServerConfig,
    "custody": CustodyConfig,
    "store": StoreConfig,
    "limits": LimitsConfig,
    "operations": OperationsConfig,
    "log": LogConfig,
}


def load(path: Path) -> Config:
    """Read a configuration file.

    Args:
        path: The file, TOML.

    Raises:
        InvalidInput: It can't be read, or a setting is wrong; ``field`` is the setting's path.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"the configuration {path} cannot be read: {error.strerror}"
        raise _refused(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"the configuration {path} is not TOML: {error}"
        raise _refused(message) from None
    for name in document.keys() - SECTIONS.keys():
        message = f"{name} is not a section of the configuration; sections are {', '.join(SECTIONS)}"
        raise _refused(message, name)
    folder = path.resolve().parent
    sections = {name: _section(kind, document.get(name, {}), name, folder) for name, kind in SECTIONS.items()}
    return Config(path=path.resolve(), **sections)


def _section(kind: type[T], table: object, section: str, folder: Path) -> T:
    if not isinstance(table, dict):
        message = f"{section} must be a section, [{section}]"
        raise _refused(message, section)
    settings = {setting.name: setting for setting in fields(kind)}  # type: ignore[arg-type]
    for name in table.keys() - settings.keys():
        message = f"{section}.{name} is not a setting; settings are {', '.join(settings)}"
        raise _refused(message, f"{section}.{name}")
    types = typing.get_type_hints(kind)
    found = {}
    for name, setting in settings.items():
        where = f"{section}.{name}"
        if name in table:
            found[name] = _value(table[name], types[name], setting.metadata, where, folder)
        elif setting.default is MISSING:
            message = f"{where} is missing"
            raise _refused(message, where)
        elif isinstance(setting.default, Path):
            found[name] = folder / setting.default
    return kind(**found)


def _value(value: object, kind: object, rules: Mapping[str, Any], where: str, folder: Path) -> object:
    if kind is int:
        # A TOML true is a Python int too.
        if not isinstance(value, int) or isinstance(value, bool) or not rules["least"] <= value <= rules["most"]:
            message = f"{where} must be a whole number from {rules['least']} to {rules['most']}"
            raise _refused(message, where)
        return value
    if value == "" and rules.get("optional"):
        return None
    if not isinstance(value, str) or not value or "\0" in value:
        message = f"{where} must be text in quotes"
        raise _refused(message, where)
    if kind in (Path, Path | None):
        found = folder / Path(value).expanduser()
        if rules.get("exists") and not found.is_file():
            message = f"{where} names {found}, which is not there or is no file"
            raise _refused(message, where)
        return found
    if "choices" in rules and value not in rules["choices"]:
        message = f"{where} must be one of {', '.join(rules['choices'])}"
        raise _refused(message, where)
    _check_text(value, where)
    return value


def _check_text(value: str, where: str) -> None:
    if where in ("server.address", "operations.address"):
        _check_address(value, where)
    if where == "operations.trace_endpoint" and not re.fullmatch(r"https?://[^\s@]+", value):
        message = f"{where} must be an http or https URL without a user's name"
        raise _refused(message, where)
    if where in ("store.dsn", "store.replica_dsn") and re.search(r"password|://", value):
        message = f"{where} must be libpq's key words without a password; name its file in store.password_file"
        raise _refused(message, where)


def _check_address(address: str, where: str) -> None:
    host, _, port = address.rpartition(":")
    bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not host or bare_v6 or not (port.isascii() and port.isdigit()) or int(port) >= 1 << 16:
        message = f'{where} must be a host and a port, such as "127.0.0.1:7443" or "[::1]:7443"'
        raise _refused(message, where)


def _refused(message: str, field: str = "") -> InvalidInput:
    return InvalidInput(message, reason="CONFIGURATION", field=field)
