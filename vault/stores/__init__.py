"""Where records live.

``protocol`` says what a store promises; the packages beside it are its kinds, known only to ``wiring``.
"""
