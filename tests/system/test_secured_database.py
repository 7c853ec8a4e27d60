"""Over a network: TLS with a verified server, a password from a file; and through PgBouncer."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster, named
from tests.rpc.authority import Authority
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.places import cardvault, make_codes, redeem, set_store, told, verdicts
from tests.system.running import Running, running
from tests.system.secured import Secured, pooler
from vault.errors import Unavailable
from vault.stores.postgres import Address, migrate
from vault.v1 import resources_pb2 as resources

PASSWORDS = ("first: 7f3a\\b'q", "second 91cd")
SPY = """\
#!/bin/sh
{{ printf '%s\\n' "$0" "$@"; env; }} >>{said}
exec {program} "$@"
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[Secured]:
    with Secured.running(authority) as cluster:
        yield cluster


@pytest.fixture
def root(tmp_path: Path, authority: Authority) -> Path:
    path = tmp_path / "postgres-ca.pem"
    path.write_bytes(authority.certificate)
    return path


def write_password(path: Path, password: str) -> Path:
    """Write a password's file, for its owner alone."""
    path.touch(mode=0o600)
    path.write_text(f"{password}\n", encoding="utf-8")
    return path


def done(*arguments: object) -> None:
    """Run a command that is to be done."""
    ended = cardvault(*arguments)
    assert ended.returncode == 0, ended.stderr


def set_password(secured: Secured, password: str) -> None:
    secured.set_password(password.replace("'", "''"))


def spied_programs(folder: Path, real: Path) -> Path:
    """Make a folder of pg_dump and pg_restore that write down what they were given, then are the real ones."""
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (folder / name).write_text(SPY.format(said=folder / "said", program=real / name))
        (folder / name).chmod(stat.S_IRWXU)
    return folder / "said"


async def test_a_vault_serves_and_is_backed_up_over_tls_with_a_password_that_changes(
    tmp_path: Path, secured: Secured, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_password(secured, PASSWORDS[0])
    password = write_password(tmp_path / "password", PASSWORDS[0])
    name, restored = secured.create(), secured.create()
    vault = Running(tmp_path / "vault", dsn=secured.network(name, root), workers=1, migrate=False)
    vault._configure('password_file = ""', f'password_file = "{password}"')
    done("migrate", "--config", vault.configuration)
    vault.start()
    try:
        codes = await make_codes(vault)
        found = secured.execute(
            "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
            f"WHERE datname = '{name}' AND application_name = 'cardvault'"
        )
        assert found == [(True, "TLSv1.3")]

        set_password(secured, PASSWORDS[1])
        write_password(password, PASSWORDS[1])
        secured.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert await verdicts(vault, codes) == {resources.VERDICT_GOOD}, "the file is read for every connection"

        said = spied_programs(tmp_path / "programs", secured.bin)
        monkeypatch.setenv("PATH", f"{said.parent}:{os.environ['PATH']}")
        made = await asyncio.to_thread(told, "backup", "--config", vault.configuration, tmp_path / "backup")
    finally:
        vault.stop()
    set_store(vault.configuration, dsn=secured.network(restored, root))
    answer = told("restore", "--config", vault.configuration, tmp_path / "backup")
    assert answer["content_sha256"] == made["content_sha256"]
    given = said.read_text()
    assert "verify-full" in given
    assert "passfile=" in given
    for place in (given, vault.log.read_text()):
        assert not [text for text in PASSWORDS if text in place], "a password is in no argument, environment or log"
        assert "PGPASSWORD" not in place


def test_a_server_that_cannot_be_verified_is_not_talked_to(tmp_path: Path, secured: Secured, root: Path) -> None:
    set_password(secured, PASSWORDS[0])
    password = write_password(tmp_path / "password", PASSWORDS[0])
    name = secured.create()
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(Authority("another").certificate)
    for dsn in (
        secured.network(name, stranger),
        secured.network(name, root, host="db.example.org"),
        secured.network(name, root).replace("verify-full", "verify-ca").replace(str(root), str(stranger)),
    ):
        with pytest.raises(Unavailable):
            migrate(Address(dsn, password))
    with pytest.raises(Unavailable) as caught:
        migrate(Address(secured.network(name, root), write_password(tmp_path / "wrong", "wrong")))
    assert "wrong" not in caught.value.message
    assert migrate(Address(secured.network(name, root), password))


async def test_vaults_share_a_few_connections_through_pgbouncer(tmp_path: Path, cluster: Cluster) -> None:
    name = cluster.create()
    with pooler(cluster, connections=3) as host:
        vault = Running(tmp_path / "vault", dsn=f"host={host} {named(name)}", migrate=False)
        vault._configure("prepared_statements = 100", "prepared_statements = 0")
        done("migrate", "--config", vault.configuration)
        other = Running.beside(vault, tmp_path / "other", dsn=f"host={host} {named(name)}")
        with running(vault.folder) as first, running(other.folder) as second:
            await create_program(first)
            codes = [code for _, code in await issue(first, 60, active=True)]
            halves = (first, codes[:30]), (second, codes[30:])
            assert await asyncio.gather(*(verdicts(*half) for half in halves)) == [{resources.VERDICT_GOOD}] * 2
            await asyncio.gather(*(redeem(vault, code) for vault, some in halves for code in some))
            assert await verdicts(first, codes) == {resources.VERDICT_NOT_GOOD}
            ((used,),) = cluster.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert isinstance(used, int)
    assert used <= 3, "18 connections of two vaults became three"
    spent = f"SELECT count(*) FROM card WHERE program = '{PROGRAM}' AND redeemed_ms IS NOT NULL"
    assert cluster.execute(spent, name) == [(60,)]
    cluster.drop(name)
