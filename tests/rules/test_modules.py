"""How modules are cut and named, and what they may do."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.rules.source import GENERATED, ROOT, committed, modules, name_of

MOST_LINES = 400
MODULES = list(modules("vault", "bench", "tests"))
OURS = [(name, tree) for name, tree in MODULES if not name.startswith("tests/")]

FORBIDDEN_MODULES = {"utils", "util", "common", "misc", "types", "helpers", "helper", "base", "manager", "handler"}
FORBIDDEN_WORDS = {
    *("manager", "helper", "util", "utils", "handler", "handlers", "base", "impl", "interface"),
    *("hash", "fingerprint", "tenant", "token", "tokens"),
}
# gRPC's own word for what it takes; a page token is the API's word.
ALLOWED = {
    ("vault/rpc/aside.py", "add_generic_rpc_handlers"),
    ("vault/rpc/aside.py", "add_registered_method_handlers"),
    ("vault/rpc/dispatch.py", "handlers"),
    ("vault/rpc/dispatch.py", "_handler"),
    ("vault/service/pages.py", "next_token"),
}
PRINTING = ("vault/cli/", "bench/")
LOGGING = {"vault/log.py"}


@pytest.mark.parametrize(
    "name",
    [
        name_of(path)
        for path in committed()
        if path.suffix in {".py", ".pyi"} and not name_of(path).startswith(GENERATED)
    ],
)
def test_a_module_has_at_most_400_lines(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES, f"{name} has {lines} lines, so it has two subjects: split it by subject"


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [name for name, _ in MODULES if name.rpartition("/")[2].removesuffix(".py") in FORBIDDEN_MODULES] == []


def test_no_class_or_function_has_a_name_that_says_nothing() -> None:
    wrong = [
        f"{name}: {node.name}"
        for name, tree in OURS
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("__")
        and (name, node.name) not in ALLOWED
        and FORBIDDEN_WORDS & {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", node.name)}
    ]
    assert wrong == []


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{name}:{call.lineno}"
        for name, call in _calls()
        if isinstance(call.func, ast.Name) and call.func.id == "print" and not name.startswith(PRINTING)
    ]
    assert wrong == []


def test_only_the_log_uses_logging() -> None:
    wrong = [name for name, imported in _imports() if imported == "logging" and name not in LOGGING]
    assert wrong == []


def test_nobody_waits_to_be_finished() -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
    wrong = [
        name_of(path)
        for path in committed()
        if path.suffix in {".py", ".proto", ".md", ".toml", ""}
        and re.search(rf"\b({words})\b", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_no_exception_is_swallowed_in_silence() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in OURS
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body)
    ]
    assert wrong == []


def _calls() -> Iterator[tuple[str, ast.Call]]:
    return ((name, node) for name, tree in OURS for node in ast.walk(tree) if isinstance(node, ast.Call))


def _imports() -> Iterator[tuple[str, str]]:
    for name, tree in OURS:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield name, node.module.partition(".")[0]
