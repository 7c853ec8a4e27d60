"""The key pair of a recipient, to which packages of codes are sealed.

The private key's file, mode 0600, two lines of ASCII, each ended by a line feed::

    cardvault-recipient-key-1
    base64 (RFC 4648 section 4) of the X25519 private key (RFC 7748), 32 bytes: 44 characters

Whoever has this file opens every package sealed to its public key: it belongs on the recipient's machine, and
nowhere near the vault. The file is not encrypted.
"""

import base64
import binascii
import os
from pathlib import Path

from nacl.public import PrivateKey

from vault.errors import AlreadyExists, InvalidInput
from vault.secret import Secret

HEADER = b"cardvault-recipient-key-1"
KEY_BYTES = 32
OTHERS_MAY_USE = 0o077


def create_key_file(path: Path) -> bytes:
    """Make a key pair, write the private key to a new file and answer the public key, 32 bytes.

    Raises:
        AlreadyExists: There is a file of this name; it is left as it is.
    """
    private_key = PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        message = f"{path} exists; a private key is never overwritten"
        raise AlreadyExists(message, reason="FILE_EXISTS") from None
    with open(descriptor, "wb") as file:  # noqa: PTH123  # from a descriptor
        file.write(HEADER + b"\n" + base64.b64encode(bytes(private_key)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return bytes(private_key.public_key)


def read_key_file(path: Path) -> Secret:
    """Read a private key.

    Raises:
        InvalidInput: The file cannot be read, can be read by others than its owner, or is not such a file.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read(1024).splitlines()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise InvalidInput(message, reason="UNREADABLE_FILE") from None
    if mode & OTHERS_MAY_USE:
        message = f"{path} can be used by others than its owner; chmod 600 it"
        raise InvalidInput(message, reason="UNSAFE_FILE_MODE")
    try:
        header, encoded = lines
        key = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        header, key = b"", b""
    if header != HEADER or len(key) != KEY_BYTES:
        message = f"{path} is not a recipient's private key"
        raise InvalidInput(message, reason="NOT_A_KEY_FILE")
    return Secret(key)


def public_key(private_key: Secret) -> bytes:
    """Answer the public key, 32 bytes, of a private key."""
    return bytes(PrivateKey(private_key.expose()).public_key)
