"""``cardvault package open``: open a package of codes with its recipient's private key, without a vault.

What it writes is the codes themselves: to a new file of mode 0600, or to standard output where ``--stdout`` asks
for it. The file appears under its name only when the package was whole.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.client.package import open_package
from vault.client.recipient import read_key_file
from vault.errors import AlreadyExists
from vault.formats.v1.package_entry_pb2 import PackageEntry

FIELDS = ("serial", "code", "expire_time", "superseded_serial")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action."""
    opening = Actions(parser).add_local("open", "open a package and write its serials and codes")
    opening.add_argument("package", type=Path, help="the package's file")
    opening.add_argument("--key", type=Path, required=True, metavar="FILE", help="the recipient's private key")
    opening.add_argument("--format", choices=("csv", "json"), default="csv", help="CSV (default), or JSON lines")
    where = opening.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="FILE", help="new file of mode 0600 for the codes")
    where.add_argument("--stdout", action="store_true", help="write the codes to standard output")
    opening.set_defaults(run=_open)


def _open(parsed: argparse.Namespace) -> int:
    entries = open_package(parsed.package, read_key_file(parsed.key))
    if parsed.stdout:
        if sys.stdout.isatty():
            message = "codes would show on the terminal; pipe standard output, or use --out FILE"
            raise UsageProblem(message)
        _write(entries, sys.stdout, parsed.format)
        return EXIT_DONE
    if parsed.out.exists():
        message = f"{parsed.out} exists"
        raise AlreadyExists(message, reason="FILE_EXISTS")
    part = parsed.out.with_name(parsed.out.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii", newline="") as file:  # noqa: PTH123  # from a descriptor
            count = _write(entries, file, parsed.format)
        part.rename(parsed.out)
    finally:
        part.unlink(missing_ok=True)
    print(f"{count:,} codes in {parsed.out}", file=sys.stderr)
    return EXIT_DONE


def _write(entries: Iterator[PackageEntry], file: TextIO, form: str) -> int:
    count = 0
    sheet = csv.DictWriter(file, FIELDS)
    if form == "csv":
        sheet.writeheader()
    for count, entry in enumerate(entries, 1):  # noqa: B007  # the last count is the answer
        seconds = entry.expire_time_seconds
        expires = datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""
        line = dict(zip(FIELDS, (entry.serial, entry.code, expires, entry.superseded_serial), strict=True))
        if form == "csv":
            sheet.writerow(line)
        else:
            file.write(json.dumps({name: value for name, value in line.items() if value}) + "\n")
    return count
