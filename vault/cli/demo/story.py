"""The steps of the incident's story in order, by the process that takes them.

Before the shops open, a lot is printed by a contractor and part of it is sold. Then the shops ask all the time,
and the ledger holds its balances, while the contractor reads the whole lot and the security officer answers it.
"""

from itertools import chain

from vault.cli.demo.stage import SHOPS
from vault.cli.demo.steps import Step

BEFORE: tuple[tuple[Step, ...], ...] = (
    (Step("prepare", "operator sets up program and recipients", "programs", "operator:prepare"),),
    (
        Step("order-lot", "issuer orders a lot of a contractor", "batches", "lot:order"),
        Step("control", "issuer issues other cards, already sold", "cards", "lot:issue_control"),
        Step("await-lot", "vault issues the lot", "cards", "lot:await_lot"),
    ),
    (Step("print-lot", "contractor opens the package and prints", "codes", "contractor:print_lot"),),
    (Step("sell-lot", "seller sells part of it, with secrets", "cards", "seller:sell_lot"),),
    (Step("open-accounts", "ledger opens accounts by card id", "cards", "ledger:open_accounts"),),
)

COMPANIONS: tuple[Step, ...] = (
    *(Step(name, f"{name} asks all the time", "answers", "traffic:serve_customers") for name in SHOPS),
    Step("ledger", "ledger holds the balances", "balances", "ledger:keep"),
)

LEAK: tuple[tuple[Step, ...], ...] = (
    (Step("leak", "contractor reads all codes once more", "codes", "contractor:leak"),),
    (
        Step("open", "officer opens an incident", "incidents", "officer:open_incident"),
        Step("select", "officer adds the cards in parts", "cards", "officer:select"),
        Step("triage", "officer counts them by state and usage", "cards", "officer:triage"),
        Step("block", "officer blocks the contractor", "principals", "officer:block"),
    ),
    (Step("refused", "contractor is refused", "calls", "contractor:is_refused"),),
    (
        Step("freeze", "officer freezes the cards", "cards", "officer:freeze"),
        Step("reissue", "vault re-issues every code", "cards", "replacement:reissue"),
        Step("package", "officer exports the sealed package", "bytes", "replacement:export"),
    ),
)

REPAIR: tuple[tuple[Step, ...], ...] = (
    (Step("reprint", "fulfilment house opens it and prints", "codes", "house:reprint"),),
    (
        Step("acknowledge-new", "officer acknowledges the package", "packages", "replacement:acknowledge"),
        Step("open-exchange", "officer opens the exchange", "exchanges", "officer:open_exchange"),
    ),
    (
        Step("thieves", "thieves try to exchange codes", "attempts", "holders:steal"),
        Step("exchange", "holders exchange old codes for new ones", "codes", "holders:exchange"),
        Step("contest", "somebody claims a code a second time", "claims", "holders:contest"),
    ),
    (Step("thaw", "officer thaws the cards", "cards", "officer:thaw"),),
)

END: tuple[tuple[Step, ...], ...] = (
    (Step("validate-renewed", "shop validates all old and new codes", "codes", "shop:validate_renewed"),),
    (
        Step("release", "officer settles the contested claim", "holds", "officer:release"),
        Step("close", "officer closes the incident", "incidents", "officer:close"),
        Step("report", "officer takes the signed report", "serials", "officer:report"),
    ),
    (Step("verify", "auditor verifies it without the vault", "serials", "auditor:verify"),),
)

STORY = (*LEAK, *REPAIR, *END)
ALL: tuple[Step, ...] = (*chain.from_iterable((*BEFORE, *STORY)), *COMPANIONS)
