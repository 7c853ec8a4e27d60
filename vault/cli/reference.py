"""Writes the parts of a document that are made from the code: ``python -m vault.cli.reference README.md``.

A generated part stands between two comments, and names what it holds::

    <!-- generated: methods -->
    …
    <!-- end -->

1. What stands between the comments is replaced; nothing else is touched.
2. ``--check`` writes nothing; it shows the difference and ends with status 1 where a part is stale.
3. A reason or an event of the log without a meaning, or a meaning without one, is refused with status 1.

It needs a checkout: descriptions of methods are the comments in ``protos/``.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from vault.cli import collected, logevents, reasons
from vault.config import EXAMPLE
from vault.metrics import METRICS, Metric
from vault.rpc.contract import Method, methods

ROOT = Path(__file__).parents[2]
_PART = re.compile(r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_COMMENTED = re.compile(r"(?P<comment>(?:^ *// .*\n)+) *(?:service|rpc) (?P<name>\w+)", re.MULTILINE)


class StalePart(Exception):
    """A document has no generated part, or one that cannot be made."""


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


def reasons_table() -> str:
    """Return a table of every reason in the code, with the gRPC statuses that it comes with.

    Raises:
        StalePart: The table of meanings lacks one, or has one that is not in the code.
    """
    found = collected.found_reasons()
    _compare("reasons", found, reasons.MEANINGS)
    lines = ["| reason | status | meaning |", "| --- | --- | --- |"]
    lines += [f"| {word} | {', '.join(sorted(found[word]))} | {reasons.MEANINGS[word]} |" for word in sorted(found)]
    return "\n".join([*lines, ""])


def log_events() -> str:
    """Return a table of every event of the log, with the levels that it is logged at.

    Raises:
        StalePart: The table of meanings lacks one, or has one that is not in the code.
    """
    found = collected.found_events()
    _compare("logevents", found, logevents.MEANINGS)
    lines = ["| event | level | meaning |", "| --- | --- | --- |"]
    lines += [f"| {word} | {', '.join(sorted(found[word]))} | {logevents.MEANINGS[word]} |" for word in sorted(found)]
    return "\n".join([*lines, ""])


def metrics_table() -> str:
    """Return a table of every metric, its kind, its labels, and how it is put together over processes."""
    lines = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for metric in METRICS:
        over = f"{metric.kind}, {metric.over} over processes" if metric.over else metric.kind
        lines.append(f"| `{metric.full_name}` | {over} | {_labels(metric)} | {metric.meaning} |")
    return "\n".join([*lines, ""])


def _labels(metric: Metric) -> str:
    """Return a metric's labels with their values."""
    told = []
    for label, values in metric.labels.items():
        shown = "of the protos" if values is None else ", ".join(values)
        told.append(f"`{label}`: {shown if label != 'release' else 'the release'}")
    return "; ".join(told)


def _compare(table: str, found: Collection[str], meanings: Collection[str]) -> None:
    missing, left = sorted(set(found) - set(meanings)), sorted(set(meanings) - set(found))
    if missing:
        message = f"vault/cli/{table}.py has no meaning for {', '.join(missing)}"
        raise StalePart(message)
    if left:
        message = f"vault/cli/{table}.py has meanings of what is not in the code: {', '.join(left)}"
        raise StalePart(message)


PARTS: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "methods": methods_table,
        "configuration": configuration,
        "metrics": metrics_table,
        "reasons": reasons_table,
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
