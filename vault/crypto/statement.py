"""Statements: what the vault signs for others to keep, such as reports and the destruction of keys.

A statement is a compact JWS as ``crypto.jws`` spells it, signed by the statement key; its type is
"vault-<kind>+jwt".

1. What verifies was signed whole, as one kind of statement, by the key that it names; a statement of another
   kind, with another algorithm or header, by a key that is not given, or changed in any bit, is refused.
2. There is one spelling of a statement, so it can be compared and filed by its bytes.
3. The same claims under the same key give the same statement, so it can be made again.
4. Whatever is wrong, the error is the same.

It does not say when it was signed, save by what is claimed; and whoever verifies has to know the public keys
from the vault itself. It needs nothing of a server.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vault.crypto.jws import read, sign
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose

if TYPE_CHECKING:
    from vault.crypto.keyring import Key  # a client that verifies has no use for what a keyring needs

LARGEST_STATEMENT: Final = 16 * 1024 * 1024
"""Characters of a statement at most; whatever is longer is refused unread."""

_KIND: Final = re.compile(r"[a-z]+(-[a-z]+)*")


def sign_statement(key: "Key", kind: str, claims: Mapping[str, Any]) -> str:
    """Sign claims as a statement.

    Args:
        key: A version of the statement key.
        kind: What the statement is: lower-case words joined by hyphens, such as ``destruction``.
        claims: What can be written as JSON; whole numbers of at most 53 bits, so that every reader reads the
            same.

    Raises:
        ValueError: The key is for something else, the kind is not of this form, or a claim has no JSON.
    """
    if key.purpose != KeyPurpose.STATEMENT:
        message = "statements are signed with the statement key"
        raise ValueError(message)
    if _KIND.fullmatch(kind) is None:
        message = "a kind of statement is lower-case words joined by hyphens"
        raise ValueError(message)
    return sign(key, _type(kind), claims)


def verify_statement(statement: str, public_keys: Mapping[str, bytes], kind: str) -> dict[str, Any]:
    """Return the claims of a statement of one kind.

    Args:
        statement: The compact JWS; blanks around it are refused too.
        public_keys: Ed25519 public keys of 32 bytes by their ids, from whoever can be trusted to know them.
        kind: What kind it must be.

    Raises:
        IntegrityFailure: STATEMENT: it is not a statement of this kind, signed by one of these keys.
    """
    claims = read(statement, public_keys, _type(kind), LARGEST_STATEMENT)
    if claims is None:
        message = "this is no statement of the kind asked for, signed by one of the vault's keys"
        raise IntegrityFailure(message, reason="STATEMENT")
    return claims


def _type(kind: str) -> str:
    return f"vault-{kind}+jwt"
