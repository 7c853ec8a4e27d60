"""Python's garbage collection, kept out of the way of processes that make many short-lived objects."""

import gc

GC_ALLOCATIONS = 100_000
"""Containers made since the last garbage collection before the next; some 20 MiB at most."""


def spare_collections() -> None:
    """Take what will live as long as the process out of garbage collection's way, and collect less often.

    At the default threshold collection took an eighth of a worker's event loop (2026-11-23), and a seventh of the time
    in which a job opens codes and gives them digests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)
