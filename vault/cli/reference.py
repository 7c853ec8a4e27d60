"""Writes the parts of a document that are made from the code: ``python -m vault.cli.reference README.md``.

A generated part stands between two comments, and names what it holds::

    <!-- generated: methods -->
    …
    <!-- end -->

1. What stands between the comments is replaced; nothing else is touched.
2. ``--check`` writes nothing; it shows the difference and ends with status 1 where a part is stale.

It needs a checkout: descriptions of methods are the comments in ``protos/``.
"""

import argparse
import ast
import difflib
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from vault import errors, status
from vault.config import EXAMPLE
from vault.rpc.contract import Method, methods

ROOT = Path(__file__).parents[2]
_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_COMMENTED = re.compile(r"(?P<comment>(?:^ *// .*\n)+) *(?:service|rpc) (?P<name>\w+)", re.MULTILINE)
_REASON = re.compile(r"[A-Z][A-Z0-9_]+")
_LEVELS = ("error", "exception", "warning", "info")


class StalePart(Exception):
    """A document names a generated part that does not exist, or has none."""


def methods_table() -> str:
    """Return a table of every method, its role and what it does, under a heading for each service."""
    comments = _comments()
    lines = []
    for service, group in groupby(methods(), key=lambda method: method.service):
        name = service.rpartition(".")[2]
        lines += [f"**{name}**: {comments[name]}", "", "| method | role | what it does |", "| --- | --- | --- |"]
        lines += [f"| {method.name} | {_role(method)} | {comments[method.name]} |" for method in group]
        lines.append("")
    return "\n".join(lines)


def configuration() -> str:
    """Return the example configuration, every setting with its comment."""
    return f"```toml\n{EXAMPLE}```\n"


def reasons() -> str:
    """Return the reasons of errors by gRPC status, as they stand in the code."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for call in _calls():
        kind = getattr(errors, call.func.id, None) if isinstance(call.func, ast.Name) else None
        if isinstance(kind, type) and issubclass(kind, errors.VaultError) and kind is not errors.VaultError:
            code = status.code_of(kind("")).name
            found[code].add(kind.default_reason)
            found[code].update(_constants(call, "reason"))
    lines = ["| status | reasons |", "| --- | --- |"]
    lines += [f"| {code} | {', '.join(sorted(found[code]))} |" for code in sorted(found)]
    return "\n".join([*lines, ""])


def log_events() -> str:
    """Return the events of the log by level, as they stand in the code."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for call in _calls():
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "_log":
            level = "error" if function.attr == "exception" else function.attr
            found[level].update(str(part.value) for part in call.args[:1] if isinstance(part, ast.Constant))
    lines = ["| level | events |", "| --- | --- |"]
    lines += [f"| {level} | {', '.join(sorted(found[level]))} |" for level in _LEVELS if level in found]
    return "\n".join([*lines, ""])


PARTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "methods": methods_table,
        "configuration": configuration,
        "reasons": reasons,
        "log-events": log_events,
    }
)


def rewrite(text: str) -> str:
    """Return a document with its generated parts as they should be.

    Raises:
        StalePart: A part's name is not known, or the document has no part at all.
    """

    def made(found: re.Match[str]) -> str:
        if found["name"] not in PARTS:
            message = f"there is no part {found['name']}; there are {', '.join(PARTS)}"
            raise StalePart(message)
        return f"{found['begin']}{PARTS[found['name']]()}{found['end']}"

    new, count = _PART.subn(made, text)
    if not count:
        message = "the document has no generated part"
        raise StalePart(message)
    return new


def _role(method: Method) -> str:
    role = method.role.name.lower()
    if method.any_program:
        role += ", for any program"
    return f"{role}, second officer" if method.second_officer else role


def _comments() -> dict[str, str]:
    """Return the comment above each service and method by its name, which are unique in ``vault.v1``."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "protos/vault/v1").glob("*_service.proto")):
        for match in _COMMENTED.finditer(path.read_text(encoding="utf-8")):
            lines = (line.strip().removeprefix("//").strip() for line in match["comment"].splitlines())
            found[match["name"]] = " ".join(lines).replace("|", "\\|")
    return found


def _calls() -> Iterator[ast.Call]:
    for path in sorted((ROOT / "vault").rglob("*.py")):
        if not path.name.endswith(("_pb2.py", "_pb2_grpc.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _constants(call: ast.Call, name: str) -> Iterator[str]:
    for keyword in call.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg == name and isinstance(value, str) and _REASON.fullmatch(value):
            yield value


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite or check the documents named, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vault.cli.reference", description=__doc__.partition("\n")[0])
    parser.add_argument("documents", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where a part is stale")
    parsed = parser.parse_args(arguments)
    stale = False
    for path in parsed.documents:
        old = path.read_text(encoding="utf-8")
        try:
            new = rewrite(old)
        except StalePart as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        if parsed.check and new != old:
            stale = True
            differences = difflib.unified_diff(old.splitlines(), new.splitlines(), str(path), "generated", lineterm="")
            print("\n".join(differences))
        elif new != old:
            path.write_text(new, encoding="utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
