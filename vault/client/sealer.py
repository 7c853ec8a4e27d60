"""Sealing codes where they are typed, so that nobody between there and the vault reads them.

An edge seals, and whoever takes the code from it presents what was sealed::

    async with Sealer(client) as sealer:  # or any async callable that answers ListPublicKeysResponse
        digits = "1234 5678 9012 3452"
        sealed = await sealer.seal(digits, audience=SHOP, program="netcash", purpose=Purpose.VALIDATE)
        request = ValidateCodeRequest(programs=["netcash"], code=PresentedCode(sealed=sealed))

Callers without asyncio keep a sealer in the thread of their ``BlockingClient``::

    async def make_sealer(vault: VaultClient) -> Sealer:
        return Sealer(vault)

    with connect_blocking("localhost:7443", ca=ca, certificate=certificate, private_key=key) as shop:
        sealer = shop.run(make_sealer)
        purpose = Purpose.REDEEM
        sealed = shop.run(lambda _: sealer.seal(digits, audience=SHOP, program="netcash", purpose=purpose))

What is sealed may be presented by its audience or a relay of its audience, once, within 5 minutes, for its
program and purpose. Whoever validates a code and then redeems it needs two submissions, one for each.

1. It is sealed to the key that the rules of ``client.sealing`` name, never to one that they have left behind.
2. Keys are asked for before the first code, and then again by themselves: in the background once they are
   ``refresh_seconds`` old, and before the next code once they are ``longest_seconds`` old. Nothing is sealed to
   older ones. Callers at the same time share one asking.
3. Times are the vault's, as its last answer gave it and as a steady clock has run on since: an edge whose own
   clock is wrong seals all the same. An answer that took a while is taken for half as old.
4. Codes are in no error, and are kept by nobody once they are sealed.

It does not protect against a relay that answers keys of its own: pin the vault's. Nor against one that lies
about the time, which can make a submission last until later, but neither open it nor present it for anyone
else.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

from vault.client.channel import DEFAULT_TIMEOUT_SECONDS, VaultClient
from vault.client.sealing import Purpose, SealingKeys, compose
from vault.crypto.submission import NONCE_SIZE, seal_submission
from vault.errors import IntegrityFailure, Unavailable
from vault.v1.validation_service_pb2 import ListPublicKeysRequest, ListPublicKeysResponse

REFRESH_SECONDS: Final = 300.0
LONGEST_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 10.0
"""After how long keys are asked for again in the background when that failed."""

PublicKeySource: TypeAlias = Callable[[], Awaitable[ListPublicKeysResponse]]


def steady_seconds() -> float:
    """Return seconds of a clock that nobody sets; where there is one, it runs on while the machine sleeps."""
    boot_time: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class Sealer:
    """Seals codes to the vault; it belongs to the event loop in which it is first used.

    It need not be closed, but as an asynchronous context manager it leaves no asking behind.
    """

    def __init__(  # noqa: PLR0913  # what an edge may want to set, each by name
        self,
        source: VaultClient | PublicKeySource,
        *,
        pins: Collection[bytes] = (),
        lowest_version: int = 1,
        refresh_seconds: float = REFRESH_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        clock: Callable[[], float] = steady_seconds,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Know no keys yet.

        Args:
            source: A client whose principal is a validator of some program, or what answers the vault's
                ListPublicKeysResponse, such as through a relay.
            pins: Public keys, 32 bytes each, to which alone is sealed; empty: to whatever the source names.
            lowest_version: Version of the sealing key below which nothing is sealed, such as ``highest_version``
                of an earlier run.
            refresh_seconds: Age of the keys from which they are asked for in the background.
            longest_seconds: Age of the keys from which nothing is sealed to them.
            timeout_seconds: How long one asking may take.
            clock: Seconds that run steadily, from anywhere.
            random: Source of the nonces; libsodium draws the rest itself.
        """
        self._source = source if not isinstance(source, VaultClient) else _asking(source)
        self._keys = SealingKeys(pins=pins, lowest_version=lowest_version)
        self._refresh_seconds = refresh_seconds
        self._longest_seconds = longest_seconds
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._random = random
        self._taken: float | None = None  # when the keys in force were asked for, by the clock
        self._not_before = 0.0  # when the background may ask again after it failed, by the clock
        self._ahead_seconds = 0.0  # the vault's time less the clock's
        self._asking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def highest_version(self) -> int:
        """The highest version sealed to so far, for ``lowest_version`` of the next run."""
        return self._keys.highest_version

    async def seal(  # noqa: PLR0913  # the fields of a submission, each by name
        self,
        codes: str | Sequence[str],
        *,
        audience: str,
        program: str,
        purpose: Purpose,
        serial: str = "",
        public_key: bytes = b"",
    ) -> bytes:
        """Seal a code, or up to 1,000 to be validated together, for ``PresentedCode.sealed``.

        Args:
            codes: The code, or the codes; in groups or not (spaces and hyphens are passed over), full-width digits
                too.
            audience: The principal that may present it, or whose relays may: a SPIFFE id or a DNS name.
            program: The codes' program.
            purpose: What it may be used for.
            serial: For an exchange by serial: the serial printed beside the code.
            public_key: For an exchange: the one-time X25519 public key, 32 bytes, to which the new code is sealed.

        Raises:
            InvalidInput: A code is none, or another field is out of bounds; it is named, the code is not shown.
            FailedPrecondition: NO_SEALING_KEY: no key is active, or none of those that are pinned.
            IntegrityFailure: SEALING_KEYS: the source goes back behind what was known.
            VaultError: The keys are too old, and the source refused.
        """
        submission = compose(
            codes, audience=audience, program=program, purpose=purpose, serial=serial, public_key=public_key
        )
        await self._make_fresh()
        key = self._keys.current()
        submission.seal_time_ms = int((self._clock() + self._ahead_seconds) * 1000)
        submission.nonce = self._random(NONCE_SIZE)
        return seal_submission(key.public_key, key.version, submission)

    async def refresh(self) -> None:
        """Ask for the keys now, however old they are.

        Raises:
            IntegrityFailure: SEALING_KEYS: the source goes back behind what was known; that stays in force.
            VaultError: The source refused.
        """
        await asyncio.shield(self._begin())

    async def close(self) -> None:
        """End an asking that is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _make_fresh(self) -> None:
        age = float("inf") if self._taken is None else self._clock() - self._taken
        if age >= self._longest_seconds:
            await self.refresh()
        elif age >= self._refresh_seconds and self._clock() >= self._not_before:
            self._begin()

    def _begin(self) -> "asyncio.Task[None]":
        """Return the asking that is under way, or begin one."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._ended)
        return self._asking

    def _ended(self, asking: "asyncio.Task[None]") -> None:
        if not asking.cancelled() and asking.exception() is not None:
            self._not_before = self._clock() + RETRY_SECONDS

    async def _ask(self) -> None:
        begun = self._clock()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._source()
        except TimeoutError:
            message = "the sealing keys were not answered in time"
            raise Unavailable(message, reason="DEADLINE_EXCEEDED") from None
        ended = self._clock()
        if not answer.HasField("time"):
            message = "the sealing keys were answered without the vault's time"
            raise IntegrityFailure(message, reason="SEALING_KEYS")
        self._keys.accept(answer)
        self._taken = begun
        self._ahead_seconds = answer.time.ToMilliseconds() / 1000 - (begun + ended) / 2


def _asking(client: VaultClient) -> PublicKeySource:
    async def ask() -> ListPublicKeysResponse:
        return await client.call(client.validation.ListPublicKeys, ListPublicKeysRequest())

    return ask
