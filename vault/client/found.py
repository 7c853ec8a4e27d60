"""Codes that were found somewhere, sealed to the vault before they leave the machine.

1. Only the vault's sealing key opens what is answered here; of the codes it holds their digits, nothing else.
2. No error repeats a code; a code that cannot be one is named by its position.

The codes were found, so others may have them too: what they are worth is settled by freezing their cards.
"""

import os
from collections.abc import Sequence

from vault.codes.format import normalize
from vault.crypto.package import PackageWriter, begin, frame
from vault.errors import InvalidInput
from vault.formats.v1.package_entry_pb2 import PackageEntry

MOST_CODES = 1000
"""Codes that one AddToSelection takes."""


def seal_codes(codes: Sequence[str], public_key: bytes) -> bytes:
    """Answer a package of codes, for the ``found_codes`` of AddToSelection.

    Args:
        codes: The codes, at most 1,000; in groups or not (spaces and hyphens are passed over).
        public_key: The vault's active sealing key (ListPublicKeys), 32 bytes.

    Raises:
        InvalidInput: One is not 8 to 19 digits, or they are none, or more than 1,000.
    """
    if not 0 < len(codes) <= MOST_CODES:
        message = f"1 to {MOST_CODES:,} codes go into one package"
        raise InvalidInput(message, reason="TOO_MANY")
    head, key = begin(public_key, os.urandom)
    writer = PackageWriter(head, key)
    parts = []
    for position, code in enumerate(codes, 1):
        digits = normalize(code, f"code {position}").decode()
        parts.append(writer.write(frame(PackageEntry(code=digits).SerializeToString())))
    return b"".join([*parts, writer.finish()])
