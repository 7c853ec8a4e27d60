"""A tour through the vault by its client alone, as a program: ``tour.py ADDRESS CERTIFICATES``.

It calls every service as a caller of its role would, and stops at the first answer that is not what the API promises.
With each release it is packed together with that release's client (``--pack FILE``), so that the client of the last
release can be held against the server of this one: what it was promised then has to hold now.

It needs a vault for development, in whose certificates folder every caller has a certificate; it makes a program of its
own, whose name it draws.
"""

import asyncio
import hashlib
import secrets
import sys
import tempfile
import zipfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from vault.client import (
    ExchangeClaim,
    Purpose,
    ReceiptUse,
    ReceiptVerifier,
    Sealer,
    VaultClient,
    connect,
    create_key_file,
    exchange_code,
    open_package,
    public_key,
    read_key_file,
    save_package,
)
from vault.errors import FailedPrecondition, InvalidInput, NotFound, PermissionDenied, VaultError
from vault.v1 import activation_service_pb2 as activation
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import audit_service_pb2 as audit
from vault.v1 import card_service_pb2 as card
from vault.v1 import incident_service_pb2 as incident
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import rotation_service_pb2 as rotation
from vault.v1 import validation_service_pb2 as validation

CALLERS = (
    *("operator", "issuer", "seller", "shop", "redeemer", "exchanger"),
    *("keeper", "revealer", "officer", "auditor"),
)
HOUSE = "house"
LEDGER = "ledger.example"
CARDS = 20


class Tour:
    """One tour: the callers' clients, and the program that it is about."""

    def __init__(self, address: str, certificates: Path, folder: Path) -> None:
        self.folder = folder
        self.program = f"tour-{secrets.token_hex(6)}"
        self.clients = {
            name: connect(
                address,
                ca=certificates / "ca.pem",
                certificate=certificates / f"{name}.pem",
                private_key=certificates / f"{name}.key",
                timeout_seconds=120.0,
            )
            for name in CALLERS
        }

    def __getitem__(self, caller: str) -> VaultClient:
        return self.clients[caller]

    async def close(self) -> None:
        """Close every client."""
        await asyncio.gather(*(client.close() for client in self.clients.values()))

    async def go(self) -> list[str]:
        """Make the tour, and return its steps."""
        await self.set_up()
        issued = await self.issue()
        await self.validate(issued)
        await self.seal(issued)
        await self.keep(issued)
        await self.refuse(issued)
        await self.batch()
        await self.incident(issued)
        await self.account()
        return ["set up", "issue", "validate", "seal", "keep", "refuse", "batch", "incident", "account"]

    async def set_up(self) -> None:
        """Make the program, and register a recipient."""
        operator = self["operator"]
        settings = resources.ProgramSettings(display_name="Tour", single_use=True, clear_delivery=True)
        request = administration.CreateProgramRequest(program=self.program, settings=settings)
        made = (await operator.call(operator.administration.CreateProgram, request)).program
        assert made.state == resources.Program.STATE_ACTIVE
        assert made.guess_odds.remaining_codes > 0
        again = (await operator.call(operator.administration.CreateProgram, request)).program
        assert again.etag == made.etag, "a request sent twice is done once"
        create_key_file(self.folder / "house.key")
        recipient = administration.CreateRecipientRequest(
            program=self.program, recipient=HOUSE, public_key=public_key(read_key_file(self.folder / "house.key"))
        )
        await operator.call(operator.administration.CreateRecipient, recipient)

    async def issue(self) -> list[issuance.IssuedCard]:
        """Issue cards, and sell all but the last."""
        cards = [issuance.NewCard(reference=f"n{number}", payload=b"record") for number in range(CARDS)]
        request = issuance.IssueCardsRequest(program=self.program, cards=cards, clear=True)
        issued = list((await self["issuer"].call(self["issuer"].issuance.IssueCards, request)).cards)
        assert len({each.code for each in issued}) == CARDS
        sold = activation.ActivateCardsRequest(program=self.program, cards=[_selector(each) for each in issued[:-1]])
        changes = (await self["seller"].call(self["seller"].activation.ActivateCards, sold)).changes
        assert {change.outcome for change in changes} == {resources.CHANGE_OUTCOME_DONE}
        return issued

    async def validate(self, issued: list[issuance.IssuedCard]) -> None:
        """Ask for codes one by one and together, spend one, and undo it."""
        shop, redeemer = self["shop"], self["redeemer"]
        one = validation.ValidateCodeRequest(programs=[self.program], code=_presented(issued[0].code))
        result = (await shop.call(shop.validation.ValidateCode, one)).result
        assert (result.verdict, result.card_id) == (resources.VERDICT_GOOD, issued[0].card_id)
        many = validation.BatchValidateCodesRequest(
            programs=[self.program], codes=[_presented(each.code) for each in issued]
        )
        results = (await shop.call(shop.validation.BatchValidateCodes, many)).results
        verdicts = [each.verdict for each in results]
        assert verdicts == [resources.VERDICT_GOOD] * (CARDS - 1) + [resources.VERDICT_NOT_GOOD]
        spend = validation.RedeemCodeRequest(program=self.program, code=_presented(issued[0].code))
        spent = await redeemer.call(redeemer.validation.RedeemCode, spend)
        assert spent.verdict == resources.VERDICT_GOOD
        again = await redeemer.call(redeemer.validation.RedeemCode, spend)
        assert again.redemption_id == spent.redemption_id, "a retry gets the same result"
        undo = validation.ReverseRedemptionRequest(
            program=self.program, card=_selector(issued[0]), redemption_id=spent.redemption_id
        )
        await redeemer.call(redeemer.validation.ReverseRedemption, undo)
        asked = validation.BatchGetCardStatusRequest(program=self.program, cards=[_selector(issued[0])])
        (status,) = (await shop.call(shop.validation.BatchGetCardStatus, asked)).statuses
        assert status.usable
        keys = (await shop.call(shop.validation.ListPublicKeys, validation.ListPublicKeysRequest())).keys
        assert {key.purpose for key in keys} >= {
            resources.PublicKey.PURPOSE_SEALING,
            resources.PublicKey.PURPOSE_RECEIPT,
        }

    async def seal(self, issued: list[issuance.IssuedCard]) -> None:
        """Ask for a sealed code, and believe the receipt; the same submission is not taken twice."""
        shop = self["shop"]
        keys = await shop.call(shop.validation.ListPublicKeys, validation.ListPublicKeysRequest())
        sealer = Sealer(shop)
        blob = await sealer.seal(
            issued[0].code, audience="spiffe://cardvault.dev/shop", program=self.program, purpose=Purpose.VALIDATE
        )
        nonce = secrets.token_bytes(16)
        ask = validation.ValidateCodeRequest(
            programs=[self.program],
            code=resources.PresentedCode(sealed=blob),
            receipt=resources.ReceiptRequest(audience=LEDGER, nonce=nonce),
        )
        answer = await shop.call(shop.validation.ValidateCode, ask)
        assert answer.result.verdict == resources.VERDICT_GOOD
        receipt = ReceiptVerifier.of_answer(keys, audience=LEDGER).verify(
            answer.receipt, use=ReceiptUse.VALIDATION, nonce=nonce
        )
        assert receipt.results[0].card_id == issued[0].card_id
        ask.request_id = ""
        again = await shop.call(shop.validation.ValidateCode, ask)
        assert (again.result.verdict, again.receipt) == (resources.VERDICT_SUBMISSION_REFUSED, "")

    async def keep(self, issued: list[issuance.IssuedCard]) -> None:
        """Look after cards: reference, usage, record, suspension, a lost card."""
        keeper, revealer = self["keeper"], self["revealer"]
        second = _selector(issued[1])
        found = (await keeper.call(keeper.cards.GetCard, card.GetCardRequest(program=self.program, card=second))).card
        assert (found.card_id, found.reference) == (issued[1].card_id, "n1")
        mark = card.CardMark(card=second, usage=resources.USAGE_IN_USE)
        await keeper.call(keeper.cards.MarkCards, card.MarkCardsRequest(program=self.program, marks=[mark]))
        suspend = card.SuspendCardsRequest(program=self.program, cards=[second], reason="tour")
        await keeper.call(keeper.cards.SuspendCards, suspend)
        await keeper.call(keeper.cards.ResumeCards, card.ResumeCardsRequest(program=self.program, cards=[second]))
        get = card.GetRecordRequest(program=self.program, card=second)
        assert (await keeper.call(keeper.cards.GetRecord, get)).payload == b"record"
        lost = card.ReissueCardRequest(program=self.program, card=second, reason="lost", clear=True)
        renewed = await keeper.call(keeper.cards.ReissueCard, lost)
        reveal = card.RevealCodeRequest(program=self.program, card=second, reason="tour", clear=True)
        revealed = await revealer.call(revealer.cards.RevealCode, reveal)
        assert revealed.code not in ("", issued[1].code)
        assert renewed.generation == 2
        page = card.ListCardsRequest(program=self.program, page_size=7)
        first = await keeper.call(keeper.cards.ListCards, page)
        page.page_token = first.next_page_token
        rest = await keeper.call(keeper.cards.ListCards, page)
        assert len({each.card_id for each in (*first.cards, *rest.cards)}) == 14

    async def refuse(self, issued: list[issuance.IssuedCard]) -> None:
        """Ask for what is refused: the kinds of refusal are part of the promise."""
        shop, keeper = self["shop"], self["keeper"]
        wrong = validation.ValidateCodeRequest(programs=[self.program], code=_presented("12345678x"))
        await _refused(InvalidInput, shop.call(shop.validation.ValidateCode, wrong))
        get = card.GetCardRequest(program=self.program, card=_selector(issued[0]))
        await _refused(PermissionDenied, shop.call(shop.cards.GetCard, get))
        stranger = resources.CardSelector(card_id="00000000-0000-4000-8000-000000000000")
        unknown = card.GetCardRequest(program=self.program, card=stranger)
        await _refused(NotFound, keeper.call(keeper.cards.GetCard, unknown))

    async def batch(self) -> None:
        """Have a batch issued by job, and its package saved, opened and acknowledged."""
        issuer = self["issuer"]
        request = issuance.CreateBatchRequest(program=self.program, count=50, recipient=HOUSE)
        batch_id = (await issuer.call(issuer.issuance.CreateBatch, request)).batch.batch_id
        get = issuance.GetBatchRequest(program=self.program, batch_id=batch_id)
        while (batch := (await issuer.call(issuer.issuance.GetBatch, get)).batch).state != resources.Batch.STATE_READY:
            assert batch.state == resources.Batch.STATE_ISSUING
            await asyncio.sleep(0.1)
        package = self.folder / "package"
        manifest = await save_package(issuer, self.program, batch_id, package)
        assert manifest.sha256 == hashlib.sha256(package.read_bytes()).digest()
        assert len(list(open_package(package, read_key_file(self.folder / "house.key")))) == 50
        acknowledge = issuance.AcknowledgeBatchRequest(program=self.program, batch_id=batch_id, sha256=manifest.sha256)
        await issuer.call(issuer.issuance.AcknowledgeBatch, acknowledge)

    async def incident(self, issued: list[issuance.IssuedCard]) -> None:
        """Freeze cards, give them new codes, exchange one, thaw, close, and report."""
        officer, shop, exchanger = self["officer"], self["shop"], self["exchanger"]
        chosen = issued[2:6]
        opened = incident.OpenIncidentRequest(program=self.program, title="tour", scope=incident.Incident.SCOPE_CARDS)
        incident_id = (await officer.call(officer.incidents.OpenIncident, opened)).incident.incident_id
        add = incident.AddToSelectionRequest(
            program=self.program,
            incident_id=incident_id,
            cards=resources.CardList(cards=[_selector(each) for each in chosen]),
        )
        await officer.call(officer.incidents.AddToSelection, add)
        freeze = incident.FreezeIncidentRequest(program=self.program, incident_id=incident_id)
        await officer.call(officer.incidents.FreezeIncident, freeze)
        ask = validation.ValidateCodeRequest(programs=[self.program], code=_presented(chosen[0].code))
        frozen = (await shop.call(shop.validation.ValidateCode, ask)).result
        assert frozen.verdict == resources.VERDICT_NOT_GOOD
        order = rotation.CreateRotationJobRequest(
            program=self.program,
            reissue=rotation.Reissue(incident_id=incident_id, unsold=rotation.Reissue.UNSOLD_REISSUE),
        )
        job = (await officer.call(officer.rotation.CreateRotationJob, order)).job
        async for state in officer.watch_job(self.program, job.job_id):
            job = state
        assert (job.state, job.done_count) == (resources.RotationJob.STATE_DONE, len(chosen))
        exchange = incident.OpenExchangeRequest(
            program=self.program, incident_id=incident_id, proof=incident.Incident.PROOF_SERIAL
        )
        exchange.exchange_from.GetCurrentTime()
        exchange.exchange_until.FromSeconds(exchange.exchange_from.seconds + 3600)
        await officer.call(officer.incidents.OpenExchange, exchange)
        thaw = incident.ThawIncidentRequest(program=self.program, incident_id=incident_id)
        await officer.call(officer.incidents.ThawIncident, thaw)
        claimed = validation.ExchangeCodeRequest(
            program=self.program, code=_presented(chosen[0].code), serial=chosen[0].serial
        )
        new = await exchange_code(exchanger, ExchangeClaim(claimed))
        assert new is not None, "the exchange is open, and the serial is the one printed beside the code"
        ask.code.code = new.code
        assert (await shop.call(shop.validation.ValidateCode, ask)).result.card_id == chosen[0].card_id
        over = incident.CloseExchangeRequest(program=self.program, incident_id=incident_id)
        await officer.call(officer.incidents.CloseExchange, over)
        close = incident.CloseIncidentRequest(program=self.program, incident_id=incident_id)
        await officer.call(officer.incidents.CloseIncident, close)
        wanted = incident.GetIncidentReportRequest(program=self.program, incident_id=incident_id)
        report = (await officer.call(officer.incidents.GetIncidentReport, wanted)).report
        assert report.count(".") == 2, "a compact JWS"

    async def account(self) -> None:
        """Read the audit log, and close the program."""
        auditor, operator, issuer = self["auditor"], self["operator"], self["issuer"]
        page = audit.ListAuditEventsRequest(program=self.program, page_size=10)
        assert len((await auditor.call(auditor.audit.ListAuditEvents, page)).events) == 10
        close = administration.CloseProgramRequest(program=self.program)
        await operator.call(operator.administration.CloseProgram, close)
        late = issuance.IssueCardsRequest(program=self.program, cards=[issuance.NewCard()], clear=True)
        await _refused(FailedPrecondition, issuer.call(issuer.issuance.IssueCards, late))


def _selector(issued: issuance.IssuedCard) -> resources.CardSelector:
    return resources.CardSelector(card_id=issued.card_id)


def _presented(code: str) -> resources.PresentedCode:
    return resources.PresentedCode(code=code)


async def _refused(kind: type[VaultError], call: Awaitable[Any]) -> None:
    try:
        await call
    except kind as error:
        reason = error.reason
    else:
        reason = ""
    assert reason, f"this has to be refused as {kind.__name__}, with a reason"


async def _go(address: str, certificates: Path) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="cardvault-tour-") as folder:
        tour = Tour(address, certificates, Path(folder))
        try:
            return await tour.go()
        finally:
            await tour.close()


def pack(target: Path) -> None:
    """Write a program that makes this tour by this very client: the modules that it has imported, and no others."""
    modules = {
        name: Path(str(module.__file__)) for name, module in sys.modules.items() if name.split(".")[0] == "vault"
    }
    root = Path(str(sys.modules["vault"].__file__)).parents[1]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        files = {file.relative_to(root).as_posix(): file for file in modules.values()}
        for name, file in sorted({**files, "__main__.py": Path(__file__)}.items()):
            # The same tree gives the same bytes.
            packed.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> int:
    """Make the tour, or pack it."""
    first, second = sys.argv[1:]
    if first == "--pack":
        pack(Path(second))
    else:
        print(
            f"{Path(str(sys.modules['vault'].__file__)).parents[1]}: {', '.join(asyncio.run(_go(first, Path(second))))}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
