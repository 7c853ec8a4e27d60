"""The whole suite against a running vault."""

from pathlib import Path

from tests.contract.house import USED_UP, House, house
from vault.contract.report import failures
from vault.contract.runner import Result
from vault.contract.suite import all_cases


def told(results: list[Result]) -> list[str]:
    return [f"{result.case.method} {result.case.name}: {result.problems}" for result in failures(results)]


async def kept(made: House) -> None:
    before, events = made.content(), made.database.count("audit_event")
    results = await made.try_cases(all_cases())
    assert told(results) == []
    assert len(results) > 5_000
    assert made.content() == before
    assert made.database.count("audit_event") > events
    assert made.codes_in_log() == []


async def test_a_vault_keeps_its_contract_and_nothing_is_half_done(furnished: House) -> None:
    await kept(furnished)


async def test_the_contract_is_kept_over_postgresql(tmp_path: Path, dsn: str) -> None:
    with house(tmp_path / "vault", dsn) as made:
        await made.furnish()
        await kept(made)


async def test_cases_with_effects_keep_it_too(furnished: House) -> None:
    cases = [case for case in all_cases() if case.effects or case.page_of]
    results = await furnished.try_cases(cases, program=USED_UP, effects=True)
    assert told(results) == []
    assert [result.case for result in results if result.skipped] == []
    assert furnished.codes_in_log() == []
