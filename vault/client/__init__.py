"""How other services use the vault: a typed, asynchronous client over mTLS.

A plain ``pip install cardvault`` is this package; it carries no server code::

    async with connect("localhost:7443", ca=ca, certificate=certificate, private_key=key) as client:
        request = ValidateCodeRequest(programs=["netcash"], code=PresentedCode(code=digits))
        answer = await client.call(client.validation.ValidateCode, request)

Guarantees:

1. Every call has a deadline, and every refusal is one of ``vault.errors``.
2. A call is repeated only where that cannot do anything twice: reads, and requests that carry a request id.
3. A saved package is the one of its manifest, or there is no file of that name.
4. An exchanged code is opened only if it answers the claim that was made.

Callers that ask for one code each at the same time share calls through a ``Validator``; callers without asyncio use
``connect_blocking``. Codes are sealed where they are typed by a ``Sealer``, and what the vault says of them is verified
without it by a ``ReceiptVerifier``.

It does not protect codes in the caller's own memory and logs: what the vault delivered is the caller's to keep.
"""

from vault.client.blocking import BlockingClient, connect_blocking
from vault.client.channel import VaultClient, connect
from vault.client.exchange import ExchangeClaim, exchange_code, open_exchanged_code
from vault.client.export import save_package, save_rotation_package
from vault.client.found import seal_codes
from vault.client.jwks import jwk_set, parse_jwk_set
from vault.client.package import open_package
from vault.client.receipts import Receipt, ReceiptResult, ReceiptUse, ReceiptVerifier
from vault.client.recipient import create_key_file, public_key, read_key_file
from vault.client.sealer import Sealer
from vault.client.sealing import Purpose, SealingKeys
from vault.client.validator import Validator
from vault.crypto.sealedbox import draw_key

__all__ = [
    "BlockingClient",
    "ExchangeClaim",
    "Purpose",
    "Receipt",
    "ReceiptResult",
    "ReceiptUse",
    "ReceiptVerifier",
    "Sealer",
    "SealingKeys",
    "Validator",
    "VaultClient",
    "connect",
    "connect_blocking",
    "create_key_file",
    "draw_key",
    "exchange_code",
    "jwk_set",
    "open_exchanged_code",
    "open_package",
    "parse_jwk_set",
    "public_key",
    "read_key_file",
    "save_package",
    "save_rotation_package",
    "seal_codes",
]
