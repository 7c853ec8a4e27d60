"""The vault's row, programs, keys, recipients, batches, tallies, jobs, requests and audit events."""

import asyncio
import threading
import time

import pytest

from tests.contracts.samples import PROGRAM, TAG, batch, event, job, key_version, new_id, program, request, submission
from vault.errors import AlreadyExists, NotFound
from vault.model.rows import KeyUseRow, RecipientRow, TallyRow, VaultRow
from vault.model.shape import SHAPES
from vault.model.states import BatchState, JobState, KeyPurpose, KeyState, ProgramState
from vault.stores.protocol import Store, Transaction
from vault.stores.records import AuditPlace


class RecordContract:
    async def test_the_clock_of_the_store_is_the_one_that_processes_are_seen_by(self, store: Store) -> None:
        before = await store.read(lambda tx: tx.processes.now_ms())
        await store.transact(lambda tx: tx.processes.see(new_id(), bytes(32)))
        after = await store.read(lambda tx: tx.processes.now_ms())
        (row,) = await store.read(lambda tx: tx.processes.all())
        assert before <= row.seen_ms <= after
        assert abs(after - time.time() * 1000) < 60_000

    async def test_what_waits_for_the_writer_is_counted(self, store: Store) -> None:
        assert store.waiting() == 0
        gate = threading.Event()
        held = asyncio.create_task(store.transact(lambda _: gate.wait(60)))
        waiting = [asyncio.create_task(store.transact(lambda _: None)) for _ in range(3)]
        try:
            async with asyncio.timeout(60):
                while store.waiting() < len(waiting):  # noqa: ASYNC110  the store tells nobody
                    await asyncio.sleep(0.005)
        finally:
            gate.set()
        await asyncio.gather(held, *waiting)
        assert store.waiting() == 0

    async def test_the_vault_has_no_row_until_it_is_given_one(self, store: Store) -> None:
        row = VaultRow(new_id(), 1000, TAG)
        assert await store.read(lambda tx: tx.vault.get()) is None
        await store.transact(lambda tx: tx.vault.insert(row))
        assert await store.read(lambda tx: tx.vault.get()) == row

    async def test_the_catalogue_number_rises_only_if_the_work_is_kept(self, store: Store) -> None:
        def fails(tx: Transaction) -> None:
            tx.vault.bump_catalogue()
            raise KeyError

        before = await store.read(lambda tx: tx.vault.catalogue_number())
        await store.transact(lambda tx: tx.vault.bump_catalogue())
        with pytest.raises(KeyError):
            await store.transact(fails)
        assert await store.read(lambda tx: tx.vault.catalogue_number()) == before + 1

    async def test_programs_are_inserted_once_listed_by_id_and_replaced(self, store: Store) -> None:
        for name in ("beta", "alpha"):
            await store.transact(lambda tx, name=name: tx.programs.insert(program(name)))  # type: ignore[misc]
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.programs.insert(program("alpha")))
        stopped = program("beta")._replace(state=ProgramState.STOPPED, max_guess_odds=0.5)
        await store.transact(lambda tx: tx.programs.update(stopped))
        assert await store.read(lambda tx: tx.programs.all()) == [program("alpha"), stopped]
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.programs.update(program("gamma")))

    async def test_key_versions_are_inserted_all_or_none(self, store: Store) -> None:
        await store.transact(lambda tx: tx.keys.insert([key_version(2)]))

        def work(tx: Transaction) -> None:
            with pytest.raises(AlreadyExists):
                tx.keys.insert([key_version(1), key_version(2), key_version(3)])

        await store.transact(work)
        assert await store.read(lambda tx: tx.keys.all()) == [key_version(2)]

    async def test_key_versions_come_by_purpose_program_and_version(self, store: Store) -> None:
        rows = [
            key_version(1, KeyPurpose.INDEX, "a"),
            key_version(2, KeyPurpose.INDEX, "a"),
            key_version(10, KeyPurpose.INDEX, "a"),
            key_version(1, KeyPurpose.INDEX, "b"),
            key_version(1, KeyPurpose.WRAPPING, ""),
            key_version(1, KeyPurpose.REQUEST, ""),
        ]
        await store.transact(lambda tx: tx.keys.insert(rows[::-1]))
        assert await store.read(lambda tx: tx.keys.all()) == rows
        retired = rows[0]._replace(state=KeyState.DEACTIVATED, deactivated_ms=5)
        await store.transact(lambda tx: tx.keys.update(retired))
        assert (await store.read(lambda tx: tx.keys.all()))[:2] == [retired, rows[1]]
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.keys.update(key_version(9)))

    async def test_a_key_use_is_put_and_put_again(self, store: Store) -> None:
        row = KeyUseRow(KeyPurpose.WRAPPING, PROGRAM, 1, 100, TAG)
        assert await store.transact(lambda tx: tx.keys.use(KeyPurpose.WRAPPING, PROGRAM, 1)) is None
        for reserved in (100, 2**40):
            await store.transact(lambda tx, n=reserved: tx.keys.put_use(row._replace(reserved=n)))  # type: ignore[misc]
        used = await store.transact(lambda tx: tx.keys.use(KeyPurpose.WRAPPING, PROGRAM, 1))
        assert used == row._replace(reserved=2**40)
        assert await store.transact(lambda tx: tx.keys.use(KeyPurpose.INDEX, PROGRAM, 1)) is None

    async def test_recipients_are_paged_by_id_within_their_program(self, store: Store) -> None:
        def row(name: str, of: str = PROGRAM) -> RecipientRow:
            return RecipientRow(of, name, name.upper(), bytes(32), 1, TAG)

        def work(tx: Transaction) -> None:
            for name in ("c", "a", "b"):
                tx.recipients.insert(row(name))
            tx.recipients.insert(row("a", "other"))
            with pytest.raises(AlreadyExists):
                tx.recipients.insert(row("a"))

        await store.transact(work)
        assert await store.read(lambda tx: tx.recipients.page(PROGRAM, "", 2)) == [row("a"), row("b")]
        assert await store.read(lambda tx: tx.recipients.page(PROGRAM, "b", 2)) == [row("c")]
        assert await store.read(lambda tx: tx.recipients.get("other", "a")) == row("a", "other")
        assert await store.read(lambda tx: tx.recipients.get("other", "b")) is None

    async def test_batches_are_paged_newest_first(self, store: Store) -> None:
        rows = [batch(bytes([number]) * 16, created) for number, created in ((1, 5), (2, 9), (3, 9), (4, 7))]
        order = [rows[2], rows[1], rows[3], rows[0]]

        def work(tx: Transaction) -> None:
            for row in [*rows, batch(new_id(), 8, "other")]:
                tx.batches.insert(row)

        await store.transact(work)
        assert await store.read(lambda tx: tx.batches.page(PROGRAM, None, 9)) == order
        first = await store.read(lambda tx: tx.batches.page(PROGRAM, None, 1))
        place = (first[0].created_ms, first[0].batch_id)
        assert await store.read(lambda tx: tx.batches.page(PROGRAM, place, 2)) == order[1:3]
        ready = rows[0]._replace(state=BatchState.READY, manifest_sha256=bytes(32), revision=2)
        await store.transact(lambda tx: tx.batches.update(ready))
        assert await store.transact(lambda tx: tx.batches.get(ready.batch_id)) == ready
        assert await store.read(lambda tx: tx.batches.get(new_id())) is None
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.batches.update(batch(new_id())))

    async def test_tallies_are_kept_by_program_and_slot(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            for slot, live in ((2, -3), (0, 5), (0, 6)):
                tx.tallies.put(TallyRow(PROGRAM, slot, live, TAG))
            tx.tallies.put(TallyRow("other", 0, 1, TAG))

        await store.transact(work)
        found = await store.read(lambda tx: tx.tallies.get(PROGRAM))
        assert {(row.slot, row.live) for row in found} == {(0, 6), (2, -3)}
        assert await store.transact(lambda tx: tx.tallies.get_locked(PROGRAM, 1)) is None

    async def test_jobs_of_a_subject_come_oldest_first(self, store: Store) -> None:
        subject = new_id()
        rows = [job(bytes([number]) * 16, subject, created) for number, created in ((1, 9), (2, 5), (3, 9))]

        def work(tx: Transaction) -> None:
            for row in [*rows, job(new_id(), new_id(), 1)]:
                tx.jobs.insert(row)

        await store.transact(work)
        assert await store.read(lambda tx: tx.jobs.of_subject(subject)) == [rows[1], rows[0], rows[2]]
        done = rows[0]._replace(state=JobState.DONE, cursor=4, finished_ms=20, lease_owner=b"o", lease_until_ms=3)
        await store.transact(lambda tx: tx.jobs.update(done))
        assert await store.transact(lambda tx: tx.jobs.get(done.job_id)) == done
        assert await store.read(lambda tx: tx.jobs.get(new_id())) is None

    async def test_jobs_are_paged_newest_first_within_their_program(self, store: Store) -> None:
        rows = [job(bytes([number]) * 16, b"s", created) for number, created in ((1, 5), (2, 9), (3, 9), (4, 7))]
        order = [rows[2], rows[1], rows[3], rows[0]]

        def work(tx: Transaction) -> None:
            for row in [*rows, job(new_id(), b"s", 8)._replace(program="")]:
                tx.jobs.insert(row)

        await store.transact(work)
        assert await store.read(lambda tx: tx.jobs.page(PROGRAM, None, 9)) == order
        place = (order[0].created_ms, order[0].job_id)
        assert await store.read(lambda tx: tx.jobs.page(PROGRAM, place, 2)) == order[1:3]
        assert len(await store.read(lambda tx: tx.jobs.page("", None, 9))) == 1

    async def test_a_lease_goes_to_the_oldest_free_job_until_it_runs_out(self, store: Store) -> None:
        old, young = job(b"1" * 16, b"s", 1), job(b"2" * 16, b"s", 2)
        assert await store.transact(lambda tx: tx.jobs.lease(b"ann", 60)) is None
        assert not await store.read(lambda tx: tx.jobs.is_any_for(b"ann"))

        def work(tx: Transaction) -> None:
            idle = [job(bytes([state]) * 16, b"s", 0, state) for state in JobState if state != JobState.RUNNING]
            for row in (young, old, *idle):
                tx.jobs.insert(row)

        await store.transact(work)
        assert await store.read(lambda tx: tx.jobs.is_any_for(b"ann"))
        first = await store.transact(lambda tx: tx.jobs.lease(b"ann", 600))
        assert first is not None
        assert first._replace(lease_owner=None, lease_until_ms=0) == old
        assert first.lease_owner == b"ann"
        second = await store.transact(lambda tx: tx.jobs.lease(b"bob", 600))
        assert second is not None
        assert second.job_id == young.job_id
        assert await store.transact(lambda tx: tx.jobs.lease(b"cid", 60)) is None
        for owner, found in ((b"ann", True), (b"bob", True), (b"cid", False)):
            assert await store.read(lambda tx, owner=owner: tx.jobs.is_any_for(owner)) == found  # type: ignore[misc]
        shortened = await store.transact(lambda tx: tx.jobs.lease(b"ann", 0.05))
        assert shortened is not None
        assert shortened.job_id == old.job_id
        async with asyncio.timeout(60):
            while await store.read(lambda tx: tx.processes.now_ms()) <= shortened.lease_until_ms:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert await store.read(lambda tx: tx.jobs.is_any_for(b"cid"))
        third = await store.transact(lambda tx: tx.jobs.lease(b"bob", 600))
        assert third is not None
        assert third.job_id == young.job_id, "its own comes before an older free one"
        assert third.lease_until_ms >= second.lease_until_ms
        fourth = await store.transact(lambda tx: tx.jobs.lease(b"cid", 60))
        assert fourth is not None
        assert fourth.job_id == old.job_id
        assert await store.read(lambda tx: tx.jobs.get(old.job_id)) == fourth

    async def test_requests_are_one_per_principal_and_id_and_swept_by_age(self, store: Store) -> None:
        rows = [request(bytes([number]) * 16, created_ms=number) for number in range(1, 6)]

        def work(tx: Transaction) -> None:
            for row in rows:
                tx.requests.insert(row)
            tx.requests.insert(request(rows[0].request_id, 100, "spiffe://other"))
            with pytest.raises(AlreadyExists):
                tx.requests.insert(rows[0]._replace(result=b"different"))

        await store.transact(work)
        assert await store.read(lambda tx: tx.requests.get("spiffe://shop", rows[0].request_id)) == rows[0]
        assert await store.read(lambda tx: tx.requests.get("spiffe://third", rows[0].request_id)) is None
        assert await store.transact(lambda tx: tx.requests.sweep(4, 2)) == 2
        assert await store.transact(lambda tx: tx.requests.sweep(4, 2)) == 1
        assert await store.transact(lambda tx: tx.requests.sweep(4, 2)) == 0
        assert await store.read(lambda tx: tx.requests.get("spiffe://shop", rows[2].request_id)) is None
        assert await store.read(lambda tx: tx.requests.get("spiffe://shop", rows[3].request_id)) == rows[3]
        assert await store.read(lambda tx: tx.requests.get("spiffe://other", rows[0].request_id)) is not None

    async def test_many_requests_are_kept_and_found_at_once(self, store: Store) -> None:
        rows = [request(new_id()) for _ in range(300)]
        other = rows[0]._replace(principal="spiffe://other")
        await store.transact(lambda tx: tx.requests.insert_all([]))
        await store.transact(lambda tx: tx.requests.insert_all([*rows, other]))
        ids = [row.request_id for row in rows]
        found = await store.read(lambda tx: tx.requests.among("spiffe://shop", [*ids, new_id(), ids[0]]))
        assert found == {row.request_id: row for row in rows}
        assert await store.read(lambda tx: tx.requests.among("spiffe://other", ids)) == {ids[0]: other}
        assert await store.read(lambda tx: tx.requests.among("spiffe://shop", [])) == {}
        for again in ([rows[7]], [request(new_id()), rows[7], request(new_id())]):
            with pytest.raises(AlreadyExists):
                await store.transact(lambda tx, again=again: tx.requests.insert_all(again))  # type: ignore[misc]
        counted = await store.read(lambda tx: tx.tables.count(SHAPES["request"]))
        assert counted == len(rows) + 1

    async def test_a_submission_is_taken_once_and_swept_by_age(self, store: Store) -> None:
        rows = [submission(bytes([number]) * 16, created_ms=number) for number in range(1, 6)]
        again = rows[0]._replace(principal="spiffe://other", created_ms=9)
        assert await store.transact(lambda tx: tx.submissions.claim(rows[:3])) == set()
        assert await store.transact(lambda tx: tx.submissions.claim([again, *rows[3:]])) == {again.nonce}
        twice = submission(bytes([9]) * 16)
        assert await store.transact(lambda tx: tx.submissions.claim([twice, twice])) == {twice.nonce}
        nonces = [row.nonce for row in rows]
        kept = await store.read(lambda tx: tx.submissions.get([*nonces, bytes(16)]))
        assert kept == dict(zip(nonces, rows, strict=True))
        assert await store.read(lambda tx: tx.submissions.get([])) == {}
        assert [await store.transact(lambda tx: tx.submissions.sweep(4, 0, 2)) for _ in range(3)] == [2, 1, 0]
        assert set(await store.read(lambda tx: tx.submissions.get(nonces))) == set(nonces[3:])
        assert await store.transact(lambda tx: tx.submissions.sweep(10**15, 1, 9)) == 0, "a clock that is far ahead"
        await store.transact(lambda tx: tx.submissions.claim([submission(b"n" * 16, created_ms=7)]))
        assert await store.transact(lambda tx: tx.submissions.sweep(10**15, 2, 9)) == 1
        assert set(await store.read(lambda tx: tx.submissions.get([*nonces, b"n" * 16]))) == {nonces[4], b"n" * 16}

    async def test_events_are_paged_by_time_writer_and_counter(self, store: Store) -> None:
        ann, bob = b"a" * 16, b"b" * 16
        order = [event(ann, 1, 5), event(ann, 2, 5), event(bob, 1, 5, ""), event(bob, 2, 6), event(ann, 3, 7)]

        def work(tx: Transaction) -> None:
            tx.audit.append([])
            tx.audit.append(order[::-1])

        await store.transact(work)
        assert await store.read(lambda tx: tx.audit.page(None, 0, 100, None, 9)) == order
        assert await store.read(lambda tx: tx.audit.page(None, 5, 6, None, 9)) == order[:3]
        assert await store.read(lambda tx: tx.audit.page(None, 6, 7, None, 9)) == [order[3]]
        assert await store.read(lambda tx: tx.audit.page(PROGRAM, 0, 100, None, 9)) == [*order[:2], *order[3:]]
        for length in (1, 2, 3):
            seen: list[object] = []
            place: AuditPlace | None = None
            while page := await store.read(
                lambda tx, place=place, n=length: tx.audit.page(None, 0, 100, place, n)  # type: ignore[misc]
            ):
                seen += page
                place = AuditPlace(page[-1].recorded_ms, page[-1].writer_id, page[-1].counter)
            assert seen == order
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.audit.append([order[0]]))
