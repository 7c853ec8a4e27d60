"""The page's files: the policy under which they run, and that they are the ones that were recorded."""

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.rules.source import ROOT
from vault.cli.edge import site
from vault.cli.failure import UsageProblem

PAGE = ROOT / site.PAGE


def test_the_policy_lets_in_the_pages_own_files_and_nothing_else() -> None:
    text = site.policy(PAGE.read_bytes())
    directives = dict(part.split(" ", 1) for part in text.split("; "))
    assert re.fullmatch(r"'self' 'wasm-unsafe-eval' 'sha256-[\w+/]{43}='", directives.pop("script-src"))
    assert directives == {
        "default-src": "'none'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_names_the_digests_of_the_files_that_it_loads() -> None:
    text = PAGE.read_text(encoding="utf-8")
    mapped = json.loads(text.split('<script type="importmap">')[1].split("</script>")[0])
    assert mapped["integrity"].keys() == set(mapped["imports"].values())
    for name, digest in mapped["integrity"].items():
        content = hashlib.sha384((ROOT / name[1:]).read_bytes()).digest()
        assert digest == f"sha384-{base64.b64encode(content).decode()}"


def test_what_was_taken_from_others_is_unchanged() -> None:
    subprocess.run([ROOT / "scripts/vendor", "--check"], check=True)
    listed = {line.split()[1] for line in (ROOT / "third_party/npm.sha256").read_text(encoding="ascii").splitlines()}
    taken = [path for path in (ROOT / "third_party").rglob("*") if path.is_file() and not path.name.startswith("npm.")]
    ours = {f"./{path.relative_to(ROOT / 'third_party').as_posix()}" for path in taken}
    assert {name for name in ours if not name.startswith("./googleapis/")} == listed
    for name in ("libsodium", "axe-core"):
        assert (ROOT / "third_party" / name / "LICENSE").exists()


def test_no_checkout_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="needs a checkout"):
        site.routes(tmp_path)
