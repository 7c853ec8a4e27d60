"""RotationService, spoken."""

from collections.abc import AsyncGenerator

from vault.model.states import KeyPurpose
from vault.policy.call import Call
from vault.rpc import incident_wire, rotation_wire, wire
from vault.rpc.issuance_servicer import CHUNK_BYTES
from vault.rpc.paging import Listing
from vault.service.issuing.packing import Manifest
from vault.service.rotation.destruction import Destruction
from vault.service.rotation.keyversions import KeyVersions
from vault.service.rotation.lineage import Lineage
from vault.service.rotation.rotation import Rotation
from vault.service.rotation.rotation_package import RotationPackages
from vault.v1 import resources_pb2 as res
from vault.v1 import rotation_service_pb2 as pb


class RotationServicer:
    """Answers RotationService."""

    def __init__(  # noqa: PLR0913, PLR0917  one for each thing that an officer does
        self,
        rotation: Rotation,
        lineage: Lineage,
        packages: RotationPackages,
        keys: KeyVersions,
        destruction: Destruction,
        listing: Listing,
    ) -> None:
        self._rotation = rotation
        self._lineage = lineage
        self._packages = packages
        self._keys = keys
        self._destruction = destruction
        self._listing = listing

    async def CreateRotationJob(self, call: Call, request: pb.CreateRotationJobRequest) -> pb.CreateRotationJobResponse:
        """Start a job."""
        order = rotation_wire.order(request)
        created = await self._rotation.create(call, order, validate_only=request.validate_only)
        counts = incident_wire.counts(((count.state, count.usage), count.cards) for count in created.counts)
        changes = wire.changes(created.changes)
        return pb.CreateRotationJobResponse(job=rotation_wire.job(created.job), counts=counts, changes=changes)

    async def AddToRotationJob(self, call: Call, request: pb.AddToRotationJobRequest) -> pb.AddToRotationJobResponse:
        """Add cards to a re-issue that awaits its start."""
        job_id, cards = wire.uuid_bytes(request.job_id), wire.selectors(request.cards)
        added = await self._rotation.add_cards(call, request.program, job_id, cards)
        return pb.AddToRotationJobResponse(changes=wire.changes(added.changes), card_count=added.card_count)

    async def GetRotationJob(self, call: Call, request: pb.GetRotationJobRequest) -> pb.GetRotationJobResponse:
        """Answer a job."""
        view = await self._rotation.get(call, request.program, wire.uuid_bytes(request.job_id))
        return pb.GetRotationJobResponse(job=rotation_wire.job(view))

    async def ListRotationJobs(self, call: Call, request: pb.ListRotationJobsRequest) -> pb.ListRotationJobsResponse:
        """List jobs."""
        page = await self._listing.open(call, request, (request.program,))
        views = await self._rotation.page(call, request.program, page.newest(), page.limit)
        following = page.following_newest(views, lambda view: (view.row.created_ms, view.row.job_id))
        return pb.ListRotationJobsResponse(jobs=[rotation_wire.job(view) for view in views], next_page_token=following)

    async def WatchRotationJob(
        self, call: Call, request: pb.WatchRotationJobRequest
    ) -> AsyncGenerator[pb.WatchRotationJobResponse, None]:
        """Stream a job until it has ended."""
        async for view in self._rotation.watch(call, request.program, wire.uuid_bytes(request.job_id)):
            yield pb.WatchRotationJobResponse(job=rotation_wire.job(view))

    async def PauseRotationJob(self, call: Call, request: pb.PauseRotationJobRequest) -> pb.PauseRotationJobResponse:
        """Pause a job."""
        view = await self._rotation.pause(call, request.program, wire.uuid_bytes(request.job_id))
        return pb.PauseRotationJobResponse(job=rotation_wire.job(view))

    async def ResumeRotationJob(self, call: Call, request: pb.ResumeRotationJobRequest) -> pb.ResumeRotationJobResponse:
        """Let a job go on."""
        view = await self._rotation.resume(call, request.program, wire.uuid_bytes(request.job_id))
        return pb.ResumeRotationJobResponse(job=rotation_wire.job(view))

    async def CancelRotationJob(self, call: Call, request: pb.CancelRotationJobRequest) -> pb.CancelRotationJobResponse:
        """End a job for good."""
        view = await self._rotation.cancel(call, request.program, wire.uuid_bytes(request.job_id))
        return pb.CancelRotationJobResponse(job=rotation_wire.job(view))

    async def ExportRotationPackage(
        self, call: Call, request: pb.ExportRotationPackageRequest
    ) -> AsyncGenerator[pb.ExportRotationPackageResponse, None]:
        """Stream the package of new codes."""
        parts = self._packages.stream(call, request.program, wire.uuid_bytes(request.job_id), request.offset)
        async for part in parts:
            if isinstance(part, Manifest):
                manifest = res.Manifest(entries=part.entries, size_bytes=part.size, sha256=part.sha256)
                yield pb.ExportRotationPackageResponse(manifest=manifest)
            elif isinstance(part, int):
                yield pb.ExportRotationPackageResponse(size=part)
            else:
                for start in range(0, len(part), CHUNK_BYTES):
                    yield pb.ExportRotationPackageResponse(content=part[start : start + CHUNK_BYTES])

    async def AcknowledgeRotationPackage(
        self, call: Call, request: pb.AcknowledgeRotationPackageRequest
    ) -> pb.AcknowledgeRotationPackageResponse:
        """Take down that the package has arrived."""
        job_id = wire.uuid_bytes(request.job_id)
        view = await self._packages.acknowledge(call, request.program, job_id, request.sha256)
        return pb.AcknowledgeRotationPackageResponse(job=rotation_wire.job(view))

    async def ListReissuedCards(self, call: Call, request: pb.ListReissuedCardsRequest) -> pb.ListReissuedCardsResponse:
        """List the cards that a re-issue gave new codes."""
        page = await self._listing.open(call, request, (request.program, request.job_id))
        job_id = wire.uuid_bytes(request.job_id)
        cards = await self._lineage.page(call, request.program, job_id, page.cursor, page.limit)
        following = page.following(len(cards), lambda: cards[-1].card_id)
        return pb.ListReissuedCardsResponse(
            cards=[rotation_wire.reissued(card) for card in cards], next_page_token=following
        )

    async def ListKeys(self, call: Call, request: pb.ListKeysRequest) -> pb.ListKeysResponse:
        """List the versions of keys."""
        found = await self._keys.list(call, request.program, count=request.count_rows)
        return pb.ListKeysResponse(
            keys=[rotation_wire.key_version(view) for view in found.keys], root_version=found.root_version
        )

    async def CreateKeyVersion(self, call: Call, request: pb.CreateKeyVersionRequest) -> pb.CreateKeyVersionResponse:
        """Make a new version of a key."""
        view = await self._keys.create(call, KeyPurpose(request.purpose), request.program)
        return pb.CreateKeyVersionResponse(key=rotation_wire.key_version(view))

    async def DestroyKeyVersion(self, call: Call, request: pb.DestroyKeyVersionRequest) -> pb.DestroyKeyVersionResponse:
        """Destroy a version of a key."""
        destroyed = await self._destruction.destroy(
            call,
            KeyPurpose(request.purpose),
            request.program,
            request.version,
            validate_only=request.validate_only,
        )
        return pb.DestroyKeyVersionResponse(
            key=rotation_wire.key_version(destroyed.key),
            statement=destroyed.statement,
            rows_naming=destroyed.rows_naming,
            rewrapped_keys=destroyed.rewrapped,
        )
