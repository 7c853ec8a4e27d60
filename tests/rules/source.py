"""The project's own files, as the rules look at them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = ("vault/v1/", "vault/formats/")


def committed() -> list[Path]:
    """Answer the files that are committed or would be, by path."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(ROOT / name for name in found if name and (ROOT / name).is_file())


def name_of(path: Path) -> str:
    """Answer a file's path from the project's folder."""
    return path.relative_to(ROOT).as_posix()


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Answer the modules of some folders, parsed, generated ones left out."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = name_of(path)
            if not name.startswith(GENERATED):
                yield name, ast.parse(path.read_text(encoding="utf-8"), name)
