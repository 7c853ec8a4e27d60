import itertools
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vault import config
from vault.errors import InvalidInput

FILES = ("server.crt", "server.key", "client-ca.crt", "access.toml", "root.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).touch()
    return tmp_path


def load(folder: Path, text: str = config.EXAMPLE) -> config.Config:
    path = folder / "vault.toml"
    path.write_text(text)
    return config.load(path)


def changed(section: str, line: str) -> str:
    """Return the example with one setting of a section given anew."""
    name = line.partition(" ")[0]
    head, tail = config.EXAMPLE.split(f"[{section}]\n")
    kept = [each for each in tail.split("\n") if not each.startswith(f"{name} =")]
    return f"{head}[{section}]\n{line}\n" + "\n".join(kept)


def test_the_example_loads_and_relative_paths_start_at_its_folder(folder: Path) -> None:
    loaded = load(folder)
    assert loaded.path == folder / "vault.toml"
    assert loaded.server.private_key == folder / "server.key"
    assert loaded.store.path == folder / "vault.db"
    assert (loaded.server.host, loaded.server.port, loaded.server.workers) == ("127.0.0.1", 7443, 2)
    assert (loaded.limits.wraps_per_key, loaded.limits.request_hours) == (2**32, 24)


def test_the_example_shows_every_setting_with_its_default_and_a_comment() -> None:
    example = tomllib.loads(config.EXAMPLE)
    assert example.keys() == config.SECTIONS.keys()
    for name, kind in config.SECTIONS.items():
        defaults: dict[str, Any] = {each.name: each.default for each in fields(kind)}
        assert example[name].keys() == defaults.keys()
        for each, default in defaults.items():
            assert not isinstance(default, int | str) or example[name][each] == default
    lines = config.EXAMPLE.splitlines()
    for before, line in itertools.pairwise(lines):
        assert " = " not in line or line.startswith("#") or before.startswith("#")


def test_what_is_left_out_has_its_default(folder: Path) -> None:
    text = '[custody]\nroot_key = "root.key"\n[store]\npath = "/somewhere/vault.db"\n[server]\n'
    text += 'certificate = "server.crt"\nprivate_key = "server.key"\nclient_ca = "client-ca.crt"\n'
    loaded = load(folder, text + 'access_file = "access.toml"\n')
    assert loaded.store == config.StoreConfig(path=Path("/somewhere/vault.db"))
    assert loaded.limits == config.LimitsConfig()
    assert loaded.log == config.LogConfig()


def test_nothing_is_told_to_operators_or_collectors_where_nothing_is_named(folder: Path) -> None:
    operations = load(folder, changed("operations", 'address = ""')).operations
    assert (operations.address, operations.trace_endpoint) == (None, None)
    traced = changed("operations", 'trace_endpoint = "http://collector:4318/v1/traces"')
    assert load(folder, traced).operations.trace_endpoint == "http://collector:4318/v1/traces"


def test_a_v6_address_is_taken_apart(folder: Path) -> None:
    server = load(folder, changed("server", 'address = "[::1]:0"')).server
    assert (server.host, server.port) == ("::1", 0)


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("server", "worker = 2", "server.worker is not a setting"),
        ("server", 'workers = "2"', "server.workers must be a whole number from 1 to 64"),
        ("server", "workers = true", "server.workers must be"),
        ("server", "workers = 0", "server.workers must be"),
        ("server", "workers = 2.5", "server.workers must be"),
        ("server", "certificate = 1", "server.certificate must be text"),
        ("server", 'certificate = ""', "server.certificate must be text"),
        ("server", 'certificate = "none.crt"', r"server.certificate names .*none\.crt, which is not there"),
        ("server", 'client_ca = "."', "server.client_ca names"),
        ("server", 'address = "7443"', "server.address must be a host and a port"),
        ("server", 'address = "::1:7443"', "server.address must be"),
        ("server", 'address = "a:65536"', "server.address must be"),
        ("server", 'address = ":1"', "server.address must be"),
        ("custody", 'kind = "paper"', "custody.kind must be one of file"),
        ("store", 'kind = "paper"', "store.kind must be one of sqlite, postgres"),
        ("store", 'dsn = "host=db password=x"', "store.dsn must be libpq's key words without a password"),
        ("store", 'dsn = "postgresql://ann:x@db/vault"', "store.dsn must be libpq's key words without a password"),
        ("store", 'password_file = "none.txt"', r"store.password_file names .*none\.txt, which is not there"),
        ("store", "deadline_seconds = 0", "store.deadline_seconds must be"),
        ("operations", 'address = "9464"', "operations.address must be a host and a port"),
        ("operations", 'trace_endpoint = "localhost:4318"', "operations.trace_endpoint must be an http or https URL"),
        ("operations", 'trace_endpoint = "http://ann:x@collector"', "without a user's name"),
        ("operations", "slow_call_ms = 0", "operations.slow_call_ms must be"),
        ("limits", "wraps_per_key = 999", "limits.wraps_per_key must be"),
        ("limits", "wraps_per_key = 4294967297", "limits.wraps_per_key must be"),
        ("log", 'level = "loud"', "log.level must be one of debug, info, warning, error"),
    ],
)
def test_a_wrong_setting_is_named(folder: Path, section: str, line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        load(folder, changed(section, line))
    assert caught.value.field == f"{section}.{line.partition(' ')[0]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "is not TOML"),
        ("[servers]", "servers is not a section"),
        ("server = 1", r"server must be a section, \[server\]"),
        ("[server]", "server.certificate is missing"),
    ],
)
def test_a_wrong_file_is_told(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        load(folder, text)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        config.load(tmp_path / "none.toml")
