"""Codes that were found somewhere, as an officer sends them: a package sealed to the vault's sealing key.

1. A package that is not whole, or was changed, or sealed to another key, is refused before any code of it is
   looked at.
2. It is opened with any sealing key that is not destroyed, the active one first: a key that was replaced this
   minute may still be the one that the officer's client knew.
3. What cannot be a code is kept as it is, to be counted among the unknown; nothing of it is repeated in an
   error.

The codes are in memory until the call is answered.
"""

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import DecodeError

from vault.codes.format import normalize
from vault.crypto.package import PackageReader, Unframer
from vault.errors import IntegrityFailure, InvalidInput
from vault.formats.v1.package_entry_pb2 import PackageEntry
from vault.model.states import KeyPurpose, KeyState
from vault.service.catalogue import Snapshot

MOST_ENTRIES: Final = 1000

FIELD: Final = "found_codes"


def open_found(snapshot: Snapshot, package: bytes) -> Sequence[bytes]:
    """Return the codes of a package, normalized, each once, in their order.

    Raises:
        InvalidInput: PACKAGE: it was not sealed to the vault, was changed, is not whole, or holds something
            else than entries; PACKAGE_ENTRIES: it holds none, or more than 1,000.
    """
    keys = list(snapshot.keyring.versions(KeyPurpose.SEALING).values())
    keys.sort(key=lambda key: (key.state != KeyState.ACTIVE, -key.version))
    for key in keys:
        try:
            reader, unframer = PackageReader(key.secret), Unframer()
            framed = unframer.feed(reader.feed(package))
            framed += unframer.feed(reader.finish())
            unframer.finish()
        except IntegrityFailure:
            continue
        if not 0 < len(framed) <= MOST_ENTRIES:
            message = f"a package of found codes holds 1 to {MOST_ENTRIES} entries"
            raise InvalidInput(message, reason="PACKAGE_ENTRIES", field=FIELD)
        return list(dict.fromkeys(map(_code, framed)))
    raise _refused()


def _code(framed: bytes) -> bytes:
    try:
        code = PackageEntry.FromString(framed).code
    except DecodeError:
        raise _refused() from None
    try:
        return normalize(code)
    except InvalidInput:
        return code.encode()


def _refused() -> InvalidInput:
    message = "the package is not whole, was changed, or was not sealed to the vault's sealing key"
    return InvalidInput(message, reason="PACKAGE", field=FIELD)
