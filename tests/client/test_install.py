"""A plain install is the client: what only a server needs is neither there nor missed."""

import subprocess
import sys
import tomllib

from tests.rules.source import ROOT

ABSENT = ("cryptography", "rich", "prometheus_client", "grpc_health", "grpc_reflection", "psycopg", "opentelemetry")
PROGRAM = f"""
import sys
for name in {ABSENT}:
    sys.modules[name] = None  # importing it fails, as if it were not installed
import vault.client
from vault.client import Purpose, ReceiptUse, draw_key, public_key
from vault.client.sealing import compose
from vault.crypto.submission import seal_submission

submission = compose(
    "4000 0012 3456 7899", audience="shop", program="netcash", purpose=Purpose.REDEEM, serial="", public_key=b""
)
submission.nonce, submission.seal_time_ms = bytes(16), 1
print(len(seal_submission(public_key(draw_key()), 1, submission)))
try:
    vault.client.ReceiptVerifier({{}}, issuer="vault", audience="ledger").verify("a.b.c", use=ReceiptUse.REDEMPTION)
except vault.errors.IntegrityFailure as error:
    print(error.reason)
print(*sorted(name for name in sys.modules if name.startswith(("vault.rpc", "vault.service", "vault.stores"))))
"""


def test_what_the_client_does_needs_nothing_of_the_server() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=300)
    assert (done.stdout, done.stderr) == ("565\nRECEIPT\n\n", "")


def test_the_modules_that_are_kept_away_are_those_of_the_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    plain = {need.partition(">")[0] for need in project["dependencies"]}
    assert plain == {"googleapis-common-protos", "grpcio", "grpcio-status", "protobuf", "pynacl"}
    assert not {name.replace("_", "-") for name in ABSENT} & plain
