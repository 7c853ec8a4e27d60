"""The page's files, and the policy under which a browser runs them.

1. No script runs but the files served here: no inline script (the import map is named by its SHA-256), no
   ``eval``, no foreign origin; WebAssembly is allowed, for libsodium.
2. The page can send nothing elsewhere, by request or form, and stands in nobody's frame.

Source: Content Security Policy Level 3, section 8 for the import map's digest.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from vault.cli.edge.listener import Answer, Route
from vault.cli.failure import UsageProblem

ROOT = Path(__file__).parents[3]
KINDS: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
}
PAGE = "edge/page/index.html"
_IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


def routes(root: Path = ROOT) -> dict[tuple[str, str], Route]:
    """Answer a route for each file of the page, read now, and ``/`` for the page itself.

    Raises:
        UsageProblem: There is no page, as where the package was installed without its checkout.
    """
    page = root / PAGE
    if not page.exists():
        message = f"{page} is missing: the sample shop needs a checkout"
        raise UsageProblem(message)
    html = page.read_bytes()
    files = [*sorted((root / "edge").rglob("*.*s")), *sorted((root / "third_party/libsodium").glob("*.mjs"))]
    served = {f"/{path.relative_to(root).as_posix()}": path for path in files if path.suffix in KINDS}
    found: dict[tuple[str, str], Route] = {("GET", name): _file(path) for name, path in served.items()}
    found["GET", "/"] = _constant(
        Answer(HTTPStatus.OK, html, KINDS[".html"], {"Content-Security-Policy": policy(html)})
    )
    return found


def policy(html: bytes) -> str:
    """Answer the content security policy of a page, which may have import maps inline and no other script."""
    digests = (b64encode(hashlib.sha256(text).digest()).decode() for text in _IMPORT_MAP.findall(html))
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'sha256-{digest}'" for digest in digests)]),
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _file(path: Path) -> Route:
    return _constant(Answer(HTTPStatus.OK, path.read_bytes(), KINDS[path.suffix]))


def _constant(answer: Answer) -> Route:
    async def route(_body: bytes) -> Answer:
        return answer

    return route
