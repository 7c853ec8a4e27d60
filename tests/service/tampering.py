"""A vault with rows of every table, and for each table the operation that its rows decide."""

import contextlib
import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.audit.chains import verify_chains
from tests.service import deciding
from tests.service.casework import build_case
from tests.service.sealing import Edge, Shop
from tests.service.tampered import Digits, Operation, Row, Tampered, refuse
from tests.workshop import START_MS, Workshop, workshop
from vault.codes.format import CodeFormat
from vault.custody.file import FileCustody
from vault.errors import FailedPrecondition
from vault.model.states import CardState, CheckAlgorithm, Detail, JobKind, KeyPurpose, Usage
from vault.service import rules
from vault.service.answering.submissions import Sealed
from vault.service.events import EventFilter
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector
from vault.service.upkeep.rootcopies import confirm, unconfirmed

EVERYTHING = 1_000_000
BOUND = 1000


async def build(folder: Path) -> dict[bytes, bytes]:
    """Make a vault with at least two rows of everything that there can be two of, and return its digits."""
    digits: dict[bytes, bytes] = {}
    numbers = itertools.count(1)
    for name, fmt in (
        ("netcash", CodeFormat(16, CheckAlgorithm.LUHN, "")),
        ("other", CodeFormat(19, CheckAlgorithm.DAMM, "9")),
    ):
        # Each in a process of its own, so that there are two writers of audit events.
        async with workshop(folder, bound=BOUND) as shop:
            unlike = {"display_name": f"the {name}", "max_guess_odds": 1e-9 if name == "other" else 1e-8}
            await shop.program(name, code_format=fmt, single_use=True, **unlike)
            for place in range(4):
                shop.clock.advance(1)
                plan = CardPlan(f"card {place}", b"record %d" % place, START_MS + 10**6 + place, state=CardState.ACTIVE)
                call = shop.call("Issue", request_id=UUID(int=next(numbers)), principal=f"spiffe://test/{place}")
                (code,) = (await shop.issue(program=name, plan=plan, call=call)).codes
                digits[code.card_id] = code.code.expose()
            closed, spent, *marked = list(digits)[-4:]
            await shop.change(rules.turn("close"), closed, program=name)
            await shop.redemptions.redeem(shop.call(), name, digits[spent])
            await shop.change(rules.mark([Usage.IN_USE, Usage.EMPTY]), *marked, program=name)
            for cards in (3, 4):
                view = await shop.issued_batch(cards, name)
                await shop.package(view.row.batch_id, program=name)
            for number in range(2):
                nonce = f"{name} {number}".encode().ljust(16)
                sealed = await Edge(shop).seal(digits[spent], program=name, nonce=nonce)
                await Shop(shop).ask(sealed, programs=[name])
                digits[nonce] = sealed.blob
            await build_case(shop, name, digits)
            for count in (BOUND // 4, BOUND // 2, BOUND * 17 // 20):
                await shop.parts.budget.reserve(name, count)
            keyring = (await shop.store.read(shop.recorder.catalogue.at)).keyring
            (digester,) = keyring.digesters(name)
            digits.update({digester.digest(digits[card_id]): digits[card_id] for card_id in (spent, *marked)})
    async with workshop(folder, bound=BOUND) as shop:
        for name in ("netcash", "other"):
            shop.clock.advance(1)
            await shop.batch(5, name)
        await confirm(shop.recorder, shop.parts.custody, FileCustody(folder / "root.key"), os.urandom)
    return digits


async def _load(case: Tampered) -> None:
    await case.shop.programs.get(case.shop.call(), "netcash")


async def _reserve(case: Tampered) -> None:
    """Reserve encryptions; a count that was lost is not believed either: another key takes over."""
    shop, program = case.shop, case.after["program"]

    async def version() -> int:
        keyring = (await shop.store.read(shop.recorder.catalogue.at)).keyring
        return keyring.active(KeyPurpose.WRAPPING, program).version

    before = await version()
    await shop.parts.budget.reserve(program, 1)
    refuse(await version() != before)


async def _seal(case: Tampered) -> None:
    shop, row = case.shop, case.after
    await shop.issuance.issue(shop.call(), row["program"], [CardPlan()], Delivery(row["recipient"]))


async def _export(case: Tampered) -> None:
    await case.shop.package(case.after["batch_id"], program=case.before["program"])


async def _record(case: Tampered) -> None:
    shop, row = case.shop, case.after
    await shop.records.get(shop.call(), row["program"], Selector(row["card_id"]))


async def _validate_card(case: Tampered) -> None:
    (judgement,) = await case.shop.judge(case.digits[case.after["card_id"]], programs=("netcash", "other"))
    refuse(judgement.detail == Detail.INTEGRITY)


async def _validate_code(case: Tampered) -> None:
    (judgement,) = await case.shop.judge(case.digits[case.after["digest"]], programs=("netcash", "other"))
    refuse(judgement.detail == Detail.INTEGRITY)


async def _reveal(case: Tampered) -> None:
    shop, row = case.shop, case.before
    await shop.reveal.reveal(shop.call(), row["program"], Selector(row["card_id"]), Delivery(), "why")


async def _find(case: Tampered) -> None:
    shop, row = case.shop, case.after
    await shop.cards.get(shop.call(), row["program"], Selector(serial=row["serial"]))


async def _count(case: Tampered) -> None:
    await case.shop.programs.get(case.shop.call(), case.after["program"])


async def _lease(case: Tampered) -> None:
    """Look at the batch, then take the job, with every other one in others' hands."""
    shop, row = case.shop, case.before
    await shop.batches.get(shop.call(), row["program"], row["subject"])
    for job in shop.database.rows("job"):
        shop.database.put("job", job["rowid"], lease_until_ms=0 if job["rowid"] == row["rowid"] else 1 << 60)
    await shop.runner()._lease()


async def _retry(case: Tampered) -> None:
    shop, row = case.shop, case.after
    call = shop.call("Issue", request_id=UUID(bytes=row["request_id"]), principal=row["principal"])
    with contextlib.suppress(FailedPrecondition):  # the cards have changed since, but the request is believed
        await shop.issue(call=call)


async def _replay(case: Tampered) -> None:
    """Present a submission again for another request."""
    sealed = Sealed(case.digits[case.after["nonce"]])
    told = await Shop(case.shop).ask(sealed, programs=["netcash", "other"])
    assert told.judgements[0].detail == Detail.SUBMISSION


async def _audit(case: Tampered) -> None:
    await case.shop.events.page(case.shop.call(), EventFilter(), None, EVERYTHING)
    await verify_chains(case.shop)


async def _copied(case: Tampered) -> None:
    shop = case.shop
    await shop.store.read(lambda tx: unconfirmed(tx, shop.recorder.scope(tx).snapshot, shop.parts.custody))


DECIDES: Mapping[str, tuple[Operation, ...]] = {
    "vault": (_load,),
    "program": (_load,),
    "key_version": (_load,),
    "key_use": (_reserve,),
    "recipient": (_seal,),
    "batch": (_export,),
    "card": (_record, _validate_card),
    "code": (_reveal, _validate_code),
    "serial": (_find,),
    "tally": (_count,),
    "job": (_lease,),
    "request": (_retry,),
    "submission": (_replay,),
    "audit_event": (_audit,),
    "root_copy": (_copied,),
    **deciding.DECIDES,
}
"""Of each table the operations that its rows decide; the first one looks at sealed columns too."""


def candidates(shop: Workshop, digits: Digits, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table that its operations accept before anything is tampered with."""
    newest = {row["program"]: row["version"] for row in shop.database.rows("key_use")}
    fit: Mapping[str, Callable[[Row], bool]] = {
        "code": lambda row: row["digest"] in digits,
        "card": lambda row: row["card_id"] in digits and row["state"] == CardState.ACTIVE,
        "batch": lambda row: row["manifest_size"] is not None,
        "job": lambda row: row["kind"] == JobKind.ISSUE_BATCH and row["finished_ms"] is None,
        "request": lambda row: str(row["method"]).endswith("/Issue"),
        "key_use": lambda row: row["version"] == newest[row["program"]],
        **deciding.candidates(shop),
    }
    return list(filter(fit.get(table, lambda _: True), shop.database.rows(table)))
