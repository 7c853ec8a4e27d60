"""The security officer's other half: the re-issue of every code of the incident, and its package."""

import hashlib
from typing import Any

from vault.cli.demo.moments import KILLED, KILLING, REISSUED, REISSUING
from vault.cli.demo.stage import NETCASH, RECIPIENT, Stage
from vault.client.export import save_rotation_package
from vault.v1.resources_pb2 import RotationJob
from vault.v1.rotation_service_pb2 import (
    AcknowledgeRotationPackageRequest,
    CreateRotationJobRequest,
    Reissue,
)


async def reissue(stage: Stage) -> dict[str, Any]:
    """Have the vault re-issue the codes of the incident's cards, sold or not, and watch it."""
    work = Reissue(incident_id=stage.place.read_paper("incident"), unsold=Reissue.UNSOLD_REISSUE, recipient=RECIPIENT)
    async with stage.client("officer") as client:
        dry = CreateRotationJobRequest(program=NETCASH, reissue=work, validate_only=True)
        counts = (await client.call(client.rotation.CreateRotationJob, dry)).counts
        meant = sum(count.count for count in counts)
        stage.expect(holds=meant == stage.plan.cards, otherwise=f"{meant} cards would be re-issued")
        request = CreateRotationJobRequest(program=NETCASH, reissue=work)
        begun = stage.place.moments.note(REISSUING)
        if KILLING in stage.place.moments.read():
            await stage.until(KILLED)
        job = (await client.call(client.rotation.CreateRotationJob, request)).job
        async for now in client.watch_job(NETCASH, job.job_id):
            job = now
            stage.report(job.seen_count, max(job.total_count, 1))
        ended = stage.place.moments.note(REISSUED)
    stage.place.write_paper("job", job.job_id)
    stage.expect(holds=job.state == RotationJob.STATE_DONE, otherwise="the re-issue is not done")
    stage.expect(holds=job.done_count == stage.plan.cards, otherwise=f"{job.done_count} cards were re-issued")
    stage.expect(holds=job.error_count == 0, otherwise=f"the re-issue met errors, the last one {job.last_error}")
    return {"count": job.done_count, "seconds": ended - begun}


async def export(stage: Stage) -> dict[str, Any]:
    """Save the package of the new codes, sealed to the fulfilment house."""
    place = stage.place
    async with stage.client("officer") as client:
        job_id = place.read_paper("job")
        manifest = await save_rotation_package(client, NETCASH, job_id, place.renewed_package, stage.report)
    stage.expect(holds=manifest.entries == stage.plan.cards, otherwise="the manifest counts other codes")
    return {"count": manifest.size_bytes}


async def acknowledge(stage: Stage) -> dict[str, Any]:
    """Confirm that the house holds the package, by the digest that the house found."""
    request = AcknowledgeRotationPackageRequest(
        program=NETCASH,
        job_id=stage.place.read_paper("job"),
        sha256=bytes.fromhex(stage.place.read_paper("received")),
    )
    async with stage.client("officer") as client:
        job = (await client.call(client.rotation.AcknowledgeRotationPackage, request)).job
    digest = hashlib.sha256(stage.place.renewed_package.read_bytes()).digest()
    stage.expect(holds=digest == job.manifest.sha256, otherwise="the manifest names another package")
    return {"count": 1}
