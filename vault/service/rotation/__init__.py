"""Replacing codes and keys in bulk: the orders, what jobs do of them, and the life of keys."""
