"""Whether a code is good, and spending it."""
