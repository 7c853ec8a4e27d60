"""A store that takes down what it is asked, so that equal work can be compared."""

from collections.abc import Callable

from tests.contracts.faults import FaultyStore


class NamingStore(FaultyStore):
    """Takes down which calls were made, and over how many things."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self.names: list[tuple[str, int]] = []

    def call(self, method: Callable[..., object], *args: object, **names: object) -> object:
        """Take a call down and make it."""
        size = len(args[-1]) if args and hasattr(args[-1], "__len__") else 0
        self.names.append((method.__qualname__, size))
        return super().call(method, *args, **names)
