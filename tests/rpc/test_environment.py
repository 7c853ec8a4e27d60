import subprocess
import sys

CLEAN = "import os; os.environ.pop('GRPC_SSL_CIPHER_SUITES', None);"


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", CLEAN + program], check=True, timeout=300)


def test_the_environment_is_prepared_before_grpc() -> None:
    run("from vault.rpc.environment import *; assert not prepared(); prepare_environment(); assert prepared()")


def test_importing_it_does_not_import_grpc() -> None:
    run("import sys, vault.rpc.environment, vault.supervisor, vault.child; assert 'grpc' not in sys.modules")


def test_preparing_too_late_is_refused() -> None:
    run(
        "import grpc\nfrom vault.rpc.environment import prepare_environment\n"
        "try: prepare_environment()\nexcept RuntimeError: pass\nelse: raise SystemExit(1)"
    )
