"""Cardvault: a vault for the secret codes of prepaid cards.

``vault.client`` is how other services use it; ``python -m vault`` (the console script ``cardvault``) is what
people type. Everything else is the server. Imports run downward only::

    __main__ > cli > supervisor > wiring > rpc | client > status > jobs > service > policy | audit >
    stores | custody > log > redaction > crypto | codes > model > secret > errors

``vault.v1`` and ``vault.formats.v1`` are generated from ``protos/`` and never edited.
"""

__version__ = "0.1.0"
