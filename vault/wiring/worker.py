"""A gRPC worker process."""

import asyncio
import contextlib
import gc
import signal

from vault import log
from vault.audit.event import Event
from vault.child import report_hopeless, report_ready, watch_supervisor
from vault.config import Config
from vault.errors import Unavailable, VaultError
from vault.hardening import harden
from vault.policy.access import Access
from vault.policy.access_file import AccessFile
from vault.policy.call import Call
from vault.rpc.activation_servicer import ActivationServicer
from vault.rpc.administration_servicer import AdministrationServicer
from vault.rpc.audit_servicer import AuditServicer
from vault.rpc.card_servicer import CardServicer
from vault.rpc.issuance_servicer import IssuanceServicer
from vault.rpc.paging import Listing
from vault.rpc.server import Server
from vault.rpc.tls import TlsFiles
from vault.rpc.validation_servicer import ValidationServicer
from vault.service.batches import Batches
from vault.service.cards import Cards
from vault.service.change import Changes
from vault.service.events import Events
from vault.service.export import Export
from vault.service.issuance import Issuance
from vault.service.presence import Presence
from vault.service.programs import Programs
from vault.service.public_keys import PublicKeys
from vault.service.recipients import Recipients
from vault.service.recorder import Recorded, Recorder
from vault.service.records import Records
from vault.service.redemption import Redemptions
from vault.service.reveal import Reveal
from vault.service.validation import Validation
from vault.status import code_of
from vault.wiring.parts import Parts, assemble, open_custody, open_store

GC_ALLOCATIONS = 100_000
"""Containers made since the last garbage collection before the next; some 20 MiB at most."""

_log = log.get(__name__)
_KILL_SECONDS = 5.0


def run(config: Config, port: int) -> int:
    """Serve until told to stop, and return the exit status."""
    harden()
    log.configure(config.log.level)
    watch_supervisor(config.server.drain_seconds + _KILL_SECONDS)
    try:
        asyncio.run(_serve(config, port))
    except Unavailable as error:
        _log.error("cannot_serve", problem=error.message, reason=error.reason)
        return 1
    except VaultError as error:
        _log.error("cannot_serve", problem=error.message, reason=error.reason)
        return report_hopeless(error.message)
    return 0


def servicers(parts: Parts) -> dict[str, object]:
    """Return who answers each service."""
    recorder, random = parts.recorder, parts.random
    changes = Changes(recorder, parts.slot)
    cards = Cards(recorder)
    listing = Listing(recorder, random)
    return {
        "vault.v1.IssuanceService": IssuanceServicer(
            Issuance(recorder, parts.preparation, parts.issuer, random),
            Batches(recorder, parts.slot, random),
            Export(recorder, parts.budget, random),
            listing,
        ),
        "vault.v1.ActivationService": ActivationServicer(changes),
        "vault.v1.ValidationService": ValidationServicer(
            Validation(recorder), Redemptions(recorder, parts.slot, random), cards, PublicKeys(recorder)
        ),
        "vault.v1.CardService": CardServicer(
            cards, changes, Records(recorder, parts.budget, random), Reveal(recorder, random), listing
        ),
        "vault.v1.AdministrationService": AdministrationServicer(
            Programs(recorder, parts.keys), Recipients(recorder), listing
        ),
        "vault.v1.AuditService": AuditServicer(Events(recorder), listing),
    }


async def _serve(config: Config, port: int) -> None:
    tls = TlsFiles(config.server.certificate, config.server.private_key, config.server.client_ca)
    custody = open_custody(config)
    store = open_store(config)
    try:
        parts = await assemble(config, store, custody)
        recorder = parts.recorder

        async def refused(call: Call, error: VaultError) -> None:
            await recorder.refuse(call, error, code_of(error).name)

        access = AccessFile(config.server.access_file, lambda loaded: _record_access(recorder, loaded))
        await access.load()
        server = Server(servicers(parts), access.current, refused, tls)
        presence = Presence(store, parts.random(16), lambda: access.current().sha256)
        await server.start(f"{config.server.address.rpartition(':')[0]}:{port}")
        _settle()
        report_ready()
        await _until_told(access, presence)
        await server.drain(config.server.drain_seconds)
        with contextlib.suppress(VaultError):  # what is left behind is forgotten later
            await presence.leave()
    finally:
        await store.close()


def _settle() -> None:
    """Take what will live as long as the process out of garbage collection's way, and collect less often.

    At the default threshold collection took an eighth of the event loop's time (2026-11-23).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS)


async def _until_told(access: AccessFile, presence: Presence) -> None:
    """Watch the access file, and those of other processes, until SIGTERM or SIGINT; SIGHUP has it read at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: set[asyncio.Task[None]] = set()

    def reread() -> None:
        task = asyncio.create_task(access.refresh())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reread)
    watching = [asyncio.create_task(access.watch()), asyncio.create_task(presence.run())]
    await stop.wait()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def _record_access(recorder: Recorder, access: Access) -> None:
    event = Event("vault/LoadAccessFile", file_sha256=access.sha256)
    await recorder.record(lambda _: Recorded(None, event))
