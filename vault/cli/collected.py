"""What the code has to tell its readers: reasons and events of the log, found by syntax alone.

A reason is found where an error or an audit event is made, as a constant, a module's constant, either arm of a
conditional, or the beginning of an f-string (``reasons.ENDINGS`` says how that may end), and where it stands
beside its error in a tuple. An event of the log is found as the first argument of ``_log``'s methods.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from vault import errors, status
from vault.cli import reasons

ROOT = Path(__file__).parents[2]
AUDIT = "in audit events"
_REASON = re.compile(r"[A-Z][A-Z0-9_]+")
_LEVELS = {"error": "error", "exception": "error", "warning": "warning", "info": "info", "debug": "debug"}
_OF_EVENTS = frozenset({"Event", "_event", "event_of", "job_event", "_replace"})


class _Module:
    """One module's calls, and its constants by name."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        self.pairs = list(_pairs(tree))
        self._constants = dict(_assigned(tree))

    def words(self, value: ast.expr) -> Iterator[str]:
        """Return the reasons that an expression may be; the beginning of one ends with an underscore."""
        match value:
            case ast.Constant(str() as word):
                if _REASON.fullmatch(word):
                    yield word
            case ast.IfExp():
                yield from self.words(value.body)
                yield from self.words(value.orelse)
            case ast.Name():
                if value.id in self._constants:
                    yield self._constants[value.id]
            case ast.JoinedStr(values=[ast.Constant(str() as word), *_]):
                yield word


def _pairs(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Return each kind of error that stands in a tuple with its reason."""
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=[ast.Name(name), ast.Constant(str() as word)]) if _status(name):
                yield name, word


def _assigned(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(name)], value=ast.Constant(str() as word))
                | ast.AnnAssign(target=ast.Name(name), value=ast.Constant(str() as word))
            ) if _REASON.fullmatch(word):
                yield name, word


@cache
def _modules(root: Path) -> list[_Module]:
    paths = sorted((root / "vault").rglob("*.py"))
    return [_Module(path) for path in paths if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))]


def found_reasons() -> Mapping[str, set[str]]:
    """Return every reason in the code with the gRPC statuses that it comes with, or ``AUDIT``."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    kinds: list[type[errors.VaultError]] = [errors.VaultError, *errors.VaultError.__subclasses__()]
    for kind in kinds:
        found[kind.default_reason].add(status.code_of(kind("")).name)
    for module in _modules(ROOT):
        for name, word in module.pairs:
            found[word].add(_status(name))
        for call in module.calls:
            code = _made_by(call)
            for keyword in call.keywords:
                if code and keyword.arg == "reason":
                    for word in module.words(keyword.value):
                        for whole in _whole(word):
                            found[whole].add(code)
    return {word: codes - {AUDIT} if len(codes) > 1 else codes for word, codes in found.items()}


def _whole(word: str) -> list[str]:
    """Return the reasons that begin with a word which ends with an underscore; else the word."""
    return [f"{word}{ending}" for ending in reasons.ENDINGS[word]] if word.endswith("_") else [word]


def _made_by(call: ast.Call) -> str:
    """Return the status of the error that a call makes, or that it makes an audit event; empty for others."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    return _status(name) or (AUDIT if name in _OF_EVENTS else "")


def _status(name: str) -> str:
    """Return the status that an error of this name is answered with; empty if there is no such error."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, errors.VaultError):
        return status.code_of(kind("")).name
    return ""


def found_events() -> Mapping[str, set[str]]:
    """Return every event of the log in the code with the levels that it is logged at."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    found["log"].add("of the library")
    for module in _modules(ROOT):
        for call in module.calls:
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("_log"), attr=method), args=[ast.Constant(str() as event), *_]
                ) if method in _LEVELS:
                    found[event].add(_LEVELS[method])
    return found
