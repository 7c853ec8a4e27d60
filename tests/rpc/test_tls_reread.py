"""Looking at the TLS files between connections, as SIGHUP has a worker do."""

from pathlib import Path

from tests.rpc.authority import Authority
from tests.rpc.conftest import tls_files, write_tls


def test_what_was_found_between_connections_is_given_to_the_next_one_once(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    files = tls_files(tmp_path)
    assert files.refresh() == "same"
    assert files.changed() is None
    write_tls(tmp_path, authority.server(name="renewed"), authority.certificate)
    assert files.refresh() == "new"
    assert files.refresh() == "same"
    assert files.changed() is not None
    assert files.changed() is None


def test_a_broken_file_is_said_to_be_refused_each_time(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    files = tls_files(tmp_path)
    (tmp_path / "server.crt").write_bytes(b"not PEM")
    assert [files.refresh(), files.refresh()] == ["refused", "refused"]
    assert files.changed() is None
