"""What restore and move share: the root key, and a recorder over a store that holds no vault yet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from vault.audit.log import Log
from vault.custody.protocol import Custody
from vault.errors import IntegrityFailure
from vault.service.catalogue import Catalogue, Snapshot
from vault.service.recorder import Recorder
from vault.stores.protocol import Store, Transaction
from vault.wiring.parts import clock_ms


def recorder_over(store: Store, custody: Custody) -> Recorder:
    """Return a recorder; it loads programs and keys only when it is first used."""
    return Recorder(store, Catalogue(custody), Log(clock_ms=clock_ms, random=os.urandom), clock_ms)


def open_keys(tx: Transaction, custody: Custody, what: str) -> Snapshot:
    """Return programs and keys, opened by a root key.

    Args:
        tx: Where they are.
        custody: Who holds the root key.
        what: What they are in, for the message, such as "this backup".

    Raises:
        IntegrityFailure: ROOT_KEY: the root key is not that of this vault.
    """
    with root_key_of(what):
        return Catalogue(custody).at(tx)


@contextmanager
def root_key_of(what: str) -> Iterator[None]:
    """Have a refusal of the root key say what it does not open."""
    try:
        yield
    except IntegrityFailure as error:
        if error.reason != "ROOT_KEY":
            raise
        message = f"{error.message}; {what} opens nothing without it"
        raise IntegrityFailure(message, reason="ROOT_KEY") from None
