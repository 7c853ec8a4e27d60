"""A code: the secret digits of a card."""

from vault.secret import Secret


class Code(Secret):
    """The digits of a code as ASCII bytes, check digit included; it has no text and cannot be pickled."""

    __slots__ = ()
