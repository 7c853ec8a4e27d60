"""The access file: which principal holds which roles for which programs, and presents and receives what.

The file is TOML, deployed beside the configuration and read again when its content changes::

    [[principal]]
    name = "spiffe://example.org/shop"
    roles = { "netcash" = ["validator", "detail"], "*" = ["auditor"] }
    relays = ["spiffe://example.org/ledger"]
    receipt_audiences = ["ledger.example.org"]

    [[principal]]
    name = "spiffe://example.org/ledger"
    roles = { "netcash" = ["redeemer"] }

    [[principal]]
    name = "old-shop.example.org"
    denied = true

1. A principal that is not named, or is denied, holds nothing.
2. A role held for ``*`` is held for every program, those still to come included.
3. A sealed submission is presented by its audience, or by a relay that its audience's entry names; a relay has
   to be named in the file itself. Who is denied presents nothing, and nobody presents for him.
4. A receipt is made out only to an audience that the caller's own entry names.
5. A file with anything that is not understood is refused as a whole, naming the entry.

It does not say who a principal is; ``rpc.identity`` reads that from the certificate.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vault.errors import InvalidInput
from vault.model.states import Role

ANY_PROGRAM = "*"
_PROGRAM = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
_NAME = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAME_LENGTH = 2048
_ROLES = {role.name.lower(): role for role in Role}
_RECEIPT_AUDIENCE = re.compile(r"[!-~]{1,2048}")
_KNOWN = ("name", "roles", "relays", "receipt_audiences", "denied")
_NONE: frozenset[str] = frozenset()


class Grants:
    """What one principal may do."""

    __slots__ = ("_audiences", "_programs", "denied", "receipt_audiences")

    def __init__(
        self,
        programs: Mapping[Role, frozenset[str]],
        *,
        denied: bool = False,
        audiences: frozenset[str] = _NONE,
        receipt_audiences: frozenset[str] = _NONE,
    ) -> None:
        """Take the programs for which each role is held.

        Args:
            programs: Program ids by role, ``*`` for every program.
            denied: True when the principal is known and refused.
            audiences: Principals whose submissions are presented: the principal itself, and those that name it as a
                relay.
            receipt_audiences: Whom receipts may be made out to.
        """
        self._programs = {role: frozenset(ids) for role, ids in programs.items() if ids}
        self._audiences = _NONE if denied else audiences
        self.receipt_audiences = _NONE if denied else receipt_audiences
        self.denied = denied

    def presents(self, audience: str) -> bool:
        """Tell whether submissions to this audience, its own or one it is a relay for, may be presented."""
        return audience in self._audiences

    def holds(self, role: Role, program: str) -> bool:
        """Tell whether the role is held for a program; an empty program asks for every program."""
        held = self._programs.get(role, _NONE)
        return (program != "" and program in held) or ANY_PROGRAM in held

    def holds_any(self, role: Role) -> bool:
        """Tell whether the role is held for at least one program."""
        return role in self._programs

    def programs(self, role: Role) -> frozenset[str]:
        """Return the programs for which the role is held; ``*`` among them stands for every program."""
        return self._programs.get(role, _NONE)

    def __repr__(self) -> str:
        held = ", ".join(f"{role.name.lower()}: {sorted(ids)}" for role, ids in sorted(self._programs.items()))
        return f"<Grants {'denied ' if self.denied else ''}{held}>"


NO_GRANTS = Grants({})


class Access:
    """An access file as loaded; ``sha256`` is over its bytes."""

    __slots__ = ("_grants", "principals", "sha256")

    def __init__(self, grants: Mapping[str, Grants], sha256: bytes) -> None:
        self._grants = dict(grants)
        self.principals: Mapping[str, Grants] = MappingProxyType(self._grants)
        self.sha256 = sha256

    def grants(self, principal: str) -> Grants | None:
        """Return what a principal may do; None if the file does not name it."""
        return self._grants.get(principal)


def parse_access(data: bytes) -> Access:
    """Read an access file.

    Args:
        data: The file's bytes, UTF-8 TOML.

    Raises:
        InvalidInput: The file is not as described above; the message names the entry.
    """
    try:
        document = tomllib.loads(data.decode())
    except UnicodeDecodeError:
        message = "the access file is not UTF-8"
        raise _refused(message) from None
    except tomllib.TOMLDecodeError as error:
        message = f"the access file is not TOML: {error}"
        raise _refused(message) from None
    unknown = sorted(set(document) - {"principal"})
    if unknown:
        message = f"the access file has an unknown key {unknown[0]!r}; only [[principal]] is known"
        raise _refused(message)
    entries = document.get("principal", [])
    if not isinstance(entries, list):
        message = "in the access file, principal is written as [[principal]]"
        raise _refused(message)
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for number, entry in enumerate(entries, 1):
        name = _name(entry, f"principal {number} of the access file")
        if name in places:
            message = f"the access file names {name} twice"
            raise _refused(message)
        places[name] = (entry, f"principal {number} ({name}) of the access file")
    for entry, where in places.values():
        _check(entry, where)
    audiences = _audiences(places)
    grants = {name: _grants(entry, where, audiences[name]) for name, (entry, where) in places.items()}
    return Access(grants, hashlib.sha256(data).digest())


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, reason="ACCESS_FILE")


def _name(entry: object, where: str) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or len(name) > _NAME_LENGTH or not _NAME.fullmatch(name):
        message = f"{where} needs a name: a SPIFFE id, or a DNS name in lower case"
        raise _refused(message)
    return name


def _check(entry: Mapping[str, Any], where: str) -> None:
    unknown = sorted(set(entry) - set(_KNOWN))
    if unknown:
        known = f"{', '.join(_KNOWN[:-1])} and {_KNOWN[-1]}"
        message = f"{where} has an unknown key {unknown[0]!r}; known are {known}"
        raise _refused(message)
    if not isinstance(entry.get("denied", False), bool):
        message = f"{where}: denied is true or false"
        raise _refused(message)
    if not isinstance(entry.get("roles", {}), dict):
        message = f'{where}: roles is a table such as {{ "netcash" = ["validator"] }}'
        raise _refused(message)
    if not any(entry.get(key) for key in ("roles", "relays", "denied")):
        message = f"{where} has neither roles nor relays nor denied = true"
        raise _refused(message)


def _audiences(places: Mapping[str, tuple[dict[str, Any], str]]) -> dict[str, frozenset[str]]:
    """Return whose submissions each principal presents, its own among them."""
    audiences = {name: {name} for name in places}
    for name, (entry, where) in places.items():
        for relay in _texts(entry, "relays", where):
            if relay not in places or relay == name:
                message = f"{where}: the relay {relay!r} is not another principal of the file"
                raise _refused(message)
            if not entry.get("denied", False):
                audiences[relay].add(name)
    return {name: frozenset(presented) for name, presented in audiences.items()}


def _grants(entry: Mapping[str, Any], where: str, audiences: frozenset[str]) -> Grants:
    denied: bool = entry.get("denied", False)
    programs: dict[Role, set[str]] = {}
    for program, names in entry.get("roles", {}).items():
        if program != ANY_PROGRAM and not _PROGRAM.fullmatch(program):
            message = f"{where}: {program!r} is neither a program id nor '*'"
            raise _refused(message)
        for role in _roles(names, f"{where}, roles for {program!r}"):
            programs.setdefault(role, set()).add(program)
    receipt_audiences = _texts(entry, "receipt_audiences", where)
    for audience in receipt_audiences:
        if not _RECEIPT_AUDIENCE.fullmatch(audience):
            message = f"{where}: {audience!r} is no audience: 1 to 2,048 printable ASCII characters"
            raise _refused(message)
    held = {} if denied else {role: frozenset(ids) for role, ids in programs.items()}
    return Grants(held, denied=denied, audiences=audiences, receipt_audiences=frozenset(receipt_audiences))


def _texts(entry: Mapping[str, Any], key: str, where: str) -> list[str]:
    """Return a list of texts of an entry, each there once; empty where the entry has no such key."""
    texts = entry.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        message = f"{where}: {key} is a list of texts"
        raise _refused(message)
    if len(set(texts)) < len(texts):
        message = f"{where}: {key} names one twice"
        raise _refused(message)
    return texts


def _roles(names: object, where: str) -> list[Role]:
    if not isinstance(names, list) or not names:
        message = f"{where}: a list of roles is needed"
        raise _refused(message)
    for name in names:
        if not isinstance(name, str) or name not in _ROLES:
            message = f"{where}: {name!r} is not a role; roles are {', '.join(_ROLES)}"
            raise _refused(message)
    if len(set(names)) < len(names):
        message = f"{where}: a role is named twice"
        raise _refused(message)
    return [_ROLES[name] for name in names]
