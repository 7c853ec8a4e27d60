"""Of the tables of incidents and rotation, the operations that their rows decide."""

from collections.abc import Callable, Mapping

from tests.service.casework import exchange, package, shown, use
from tests.service.tampered import Operation, Row, Tampered, refuse, superseded
from tests.workshop import Workshop
from vault.model.states import Detail, IncidentState
from vault.service.exchanging.exchange import Exchanged
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.incidents import Incidents
from vault.service.incidents.report import Report
from vault.service.incidents.triage import Triage
from vault.service.rotation.lineage import Lineage
from vault.service.upkeep.content import survey


async def _load(case: Tampered) -> None:
    await case.shop.programs.get(case.shop.call(), "netcash")


async def _incident(case: Tampered) -> None:
    shop, row = case.shop, case.before
    incidents = Incidents(shop.recorder, Triage(shop.store), shop.parts.random)
    await incidents.get(shop.call(), row["program"], row["incident_id"], triage=False)


async def _report(case: Tampered) -> None:
    shop, row = case.shop, case.before
    (incident,) = shop.database.rows("incident", incident_id=row["incident_id"])
    await Report(shop.recorder, Triage(shop.store)).make(shop.call(), incident["program"], row["incident_id"])


async def _freeze(case: Tampered) -> None:
    shop, row = case.shop, case.before
    await Freezing(shop.recorder, Triage(shop.store)).freeze(
        shop.call(), row["program"], row["selection_id"], stop_issuance=False, validate_only=True
    )


async def _lineage(case: Tampered) -> None:
    shop, row = case.shop, case.before
    await Lineage(shop.recorder).page(shop.call(), row["program"], row["job_id"], b"", 1000)


async def _package(case: Tampered) -> None:
    await package(case.shop, case.before["program"], case.after["package_id"])


async def _exchange(case: Tampered) -> None:
    row = case.after
    digits, proof = case.digits[superseded(row["card_id"])], shown(row["card_id"])
    exchanged = await exchange(case.shop, case.before["program"], digits, proof)
    assert isinstance(exchanged, Exchanged)
    refuse(exchanged.detail == Detail.INTEGRITY)


async def _use(case: Tampered) -> None:
    row = case.after
    await use(case.shop, case.before["program"], case.digits[superseded(row["card_id"])])


async def survey_all(case: Tampered) -> None:
    """Verify everything that the vault holds, as its backup and its move do."""
    catalogue = case.shop.recorder.catalogue
    await case.shop.store.read(lambda tx: survey(tx, catalogue.at(tx), lambda *_: None, "looking"))


DECIDES: Mapping[str, tuple[Operation, ...]] = {
    "incident": (_load, _incident),
    "incident_step": (_report,),
    "selection": (_freeze,),
    "hold": (_load,),
    "block": (_load,),
    "reissue": (_lineage,),
    "package": (_package,),
    "sale_secret": (_exchange,),
    "exchange": (_exchange,),
    "attempt": (_exchange,),
    "superseded_use": (_use,),
}
"""Of each table the operations that its rows decide; the first one looks at sealed columns too."""

NOT_ASKED_FOR = {(table, "program") for table in ("sale_secret", "exchange", "attempt", "superseded_use")}
"""Parts of keys which no operation asks for once they are changed: of the row's code another program knows nothing."""


def candidates(shop: Workshop) -> Mapping[str, Callable[[Row], bool]]:
    """Return, by table, which rows its operations accept before anything is tampered with."""
    exchanged = {row["card_id"] for row in shop.database.rows("exchange")}
    tried = {row["card_id"] for row in shop.database.rows("attempt") if row["failures"]}
    opened = {row["incident_id"] for row in shop.database.rows("incident", state=IncidentState.OPEN)}
    return {
        "selection": lambda row: row["selection_id"] in opened,
        "sale_secret": lambda row: row["card_id"] in tried,
        "exchange": lambda row: row["card_id"] in exchanged,
        "attempt": lambda row: row["card_id"] in tried,
    }
