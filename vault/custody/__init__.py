"""Who holds the root key.

``protocol`` says what custody promises; the other modules are its kinds, known only to ``wiring``.
"""
