"""A gRPC worker process."""

import asyncio
import contextlib
import signal
from dataclasses import fields

import uvloop

import vault
from vault import log
from vault.audit.event import Event
from vault.child import report_hopeless, report_ready, report_reread, watch_supervisor
from vault.config import Config
from vault.errors import Unavailable, VaultError
from vault.hardening import harden
from vault.policy.access import Access
from vault.policy.access_file import AccessFile
from vault.policy.call import Call
from vault.rpc.activation_servicer import ActivationServicer
from vault.rpc.administration_servicer import AdministrationServicer
from vault.rpc.audit_servicer import AuditServicer
from vault.rpc.calls import Calls
from vault.rpc.card_servicer import CardServicer
from vault.rpc.incident_servicer import IncidentServicer
from vault.rpc.issuance_servicer import IssuanceServicer
from vault.rpc.limits import ServingLimits, raise_open_files
from vault.rpc.paging import Listing
from vault.rpc.rotation_servicer import RotationServicer
from vault.rpc.server import Server
from vault.rpc.tls import TlsFiles
from vault.rpc.validation_servicer import ValidationServicer
from vault.service.answering.inquiries import Inquiries
from vault.service.answering.public_keys import PublicKeys
from vault.service.answering.redemption import Redemptions
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.validation import Validation
from vault.service.cards import Cards
from vault.service.change import Changes
from vault.service.events import Events
from vault.service.exchanging.exchange import Exchanges
from vault.service.exchanging.salesecrets import Sales
from vault.service.incidents.blocks import Blocks
from vault.service.incidents.contested import Contested
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.incidents import Incidents
from vault.service.incidents.report import Report
from vault.service.incidents.selection import Selection
from vault.service.incidents.triage import Triage
from vault.service.issuing.batches import Batches
from vault.service.issuing.export import Export
from vault.service.issuing.issuance import Issuance
from vault.service.issuing.newcode import CodeMaker
from vault.service.issuing.reveal import Reveal
from vault.service.programs import Programs
from vault.service.recipients import Recipients
from vault.service.recorder import Recorded, Recorder
from vault.service.records import Records
from vault.service.rotation.destruction import Destruction
from vault.service.rotation.keyversions import KeyVersions
from vault.service.rotation.lineage import Lineage
from vault.service.rotation.promotion import Promotion
from vault.service.rotation.reissue import Reissuer
from vault.service.rotation.reissue_card import CardReissue
from vault.service.rotation.rotation import Rotation
from vault.service.rotation.rotation_package import RotationPackages
from vault.service.upkeep.presence import Presence
from vault.status import code_of
from vault.tracing import Tracer
from vault.wiring.beating import beating
from vault.wiring.garbage import spare_collections
from vault.wiring.growth import told_growth
from vault.wiring.parts import Parts, assemble, open_custody, open_store, replica_of
from vault.wiring.vitals import start_metrics, told_vitals

_log = log.get(__name__)
_KILL_SECONDS = 5.0


def run(config: Config, port: int) -> int:
    """Serve until told to stop, and return the exit status."""
    harden()
    log.configure(config.log.level)
    start_metrics()
    watch_supervisor(config.server.drain_seconds + _KILL_SECONDS)
    try:
        uvloop.run(_serve(config, port))  # 50 µs less for each call than asyncio's own loop
    except Unavailable as error:
        _log.error("cannot_serve", problem=error.message, reason=error.reason)
        return 1
    except VaultError as error:
        _log.error("cannot_serve", problem=error.message, reason=error.reason)
        return report_hopeless(error.message)
    return 0


def servicers(parts: Parts, superseded: SupersededUses | None = None) -> dict[str, object]:
    """Return who answers each service; ``superseded`` is told of the superseded codes that are tried."""
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
        "vault.v1.ActivationService": ActivationServicer(Sales(changes, parts.budget, random)),
        "vault.v1.ValidationService": ValidationServicer(
            Validation(recorder, superseded),
            Redemptions(recorder, parts.slot, random, superseded, parts.receipt_seconds),
            Exchanges(recorder, superseded, random),
            cards,
            PublicKeys(recorder),
            Inquiries(recorder, random, superseded, parts.receipt_seconds),
        ),
        "vault.v1.CardService": CardServicer(
            cards,
            changes,
            Records(recorder, parts.budget, random),
            CardReissue(recorder, parts.budget, Reissuer(CodeMaker(parts.budget, random)), random),
            Reveal(recorder, random),
            listing,
        ),
        "vault.v1.RotationService": rotation_servicer(parts, listing),
        "vault.v1.IncidentService": incident_servicer(parts, listing),
        "vault.v1.AdministrationService": AdministrationServicer(
            Programs(recorder, parts.keys), Recipients(recorder), listing
        ),
        "vault.v1.AuditService": AuditServicer(Events(recorder), listing),
    }


def rotation_servicer(parts: Parts, listing: Listing) -> RotationServicer:
    """Return who answers RotationService."""
    recorder, random = parts.recorder, parts.random
    return RotationServicer(
        Rotation(recorder, random),
        Lineage(recorder),
        RotationPackages(recorder, parts.budget, random),
        KeyVersions(recorder, Promotion(recorder, parts.keys), parts.custody),
        Destruction(recorder, parts.keys, parts.custody),
        listing,
    )


def incident_servicer(parts: Parts, listing: Listing) -> IncidentServicer:
    """Return who answers IncidentService."""
    recorder = parts.recorder
    triage = Triage(parts.store)
    return IncidentServicer(
        Incidents(recorder, triage, parts.random),
        Selection(recorder),
        Freezing(recorder, triage),
        Blocks(recorder),
        Contested(recorder),
        Report(recorder, triage),
        listing,
    )


async def _serve(config: Config, port: int) -> None:
    tls = TlsFiles(config.server.certificate, config.server.private_key, config.server.client_ca)
    custody = open_custody(config)
    store = open_store(config)
    try:
        async with replica_of(config) as replica:
            parts = await assemble(config, store, custody, replica=replica)
            await _answer(config, port, parts, tls)
    finally:
        await store.close()


async def _answer(config: Config, port: int, parts: Parts, tls: TlsFiles) -> None:
    recorder = parts.recorder

    async def refused(call: Call, error: VaultError) -> None:
        await recorder.refuse(call, error, code_of(error).name)

    access = AccessFile(config.server.access_file, lambda loaded: _record_access(recorder, loaded))
    await access.load()
    superseded = SupersededUses(recorder)
    raise_open_files()
    tracer = Tracer(config.operations.trace_endpoint, vault.__version__) if config.operations.trace_endpoint else None
    calls = Calls(config.operations.slow_call_ms / 1000, tracer)
    server = Server(servicers(parts, superseded), access.current, refused, tls, limits=_limits(config), calls=calls)
    presence = Presence(parts.store, parts.random(16), lambda: access.current().sha256)
    await server.start(f"{config.server.address.rpartition(':')[0]}:{port}")
    spare_collections()
    report_ready()
    async with (
        told_vitals(recorder, server.load, lambda: tls.expires),
        told_growth(config.server.worker_mib),
        beating(config, parts.store, looks=True),
    ):
        await _until_told(access, tls, presence, superseded)
        await server.drain(config.server.drain_seconds)
    if tracer is not None:
        tracer.close()
    for last in (superseded.flush, presence.leave):
        with contextlib.suppress(VaultError):  # the audit log has every use, and who stayed away is forgotten
            await last()


def _limits(config: Config) -> ServingLimits:
    return ServingLimits(**{each.name: getattr(config.limits, each.name) for each in fields(ServingLimits)})


async def _until_told(access: AccessFile, tls: TlsFiles, presence: Presence, superseded: SupersededUses) -> None:
    """Watch the access file and those of other processes, and write counts, until SIGTERM or SIGINT.

    SIGHUP has the access file and the TLS files read at once.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks: set[asyncio.Task[None]] = set()

    async def read_again() -> None:
        report_reread({"access_file": await access.refresh(), "certificates": tls.refresh()})

    def reread() -> None:
        task = asyncio.create_task(read_again())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reread)
    watching = [
        asyncio.create_task(access.watch()),
        asyncio.create_task(presence.run()),
        asyncio.create_task(superseded.run()),
    ]
    await stop.wait()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def _record_access(recorder: Recorder, access: Access) -> None:
    event = Event("vault/LoadAccessFile", file_sha256=access.sha256)
    await recorder.record(lambda _: Recorded(None, event))
