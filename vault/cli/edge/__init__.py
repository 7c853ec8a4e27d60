"""A sample shop that takes cards without seeing their codes, for ``scripts/edge`` and the tests.

::

    browser ──ciphertext──> shop ──gRPC──> vault        validates, and shows the card's status from the receipt;
                              │                         exchanges, and answers the new code as ciphertext
                              └──ciphertext──> ledger ──gRPC──> vault      redeems, and books it

1. The page (``edge/``) seals a code in the browser, once for each purpose. The shop and the ledger relay the
   ciphertext and are answered card ids and receipts; neither ever holds a code or a key that opens one.
2. A superseded code is exchanged in the page, too: the new one comes sealed to the page's key, and the shop
   relays ciphertext both ways.
3. The shop believes a receipt, not the ledger: it verifies the vault's signature itself.
4. Shop and ledger listen on loopback only, and answer nobody who asks by another host's name.

It is a sample: the shop has no accounts, the ledger's books are in memory, and the two speak plain HTTP, which
is only right on loopback. Whoever serves the page can change it to do anything with what is typed.
"""
