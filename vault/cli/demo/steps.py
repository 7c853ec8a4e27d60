"""The steps of the demo in order: what is said of each, and which party's program it is.

The issuer's batch is made by the vault's job process while the issuer issues other cards one by one.
"""

from typing import NamedTuple


class Step(NamedTuple):
    """One step; ``program`` is a module of ``parties`` and a function in it."""

    name: str
    title: str
    unit: str
    program: str


STEPS = (
    Step("set-up", "operator sets up programs and recipient", "programs", "operator:set_up"),
    Step("start-batch", "issuer starts a batch to be printed", "batches", "issuer:start_batch"),
    Step("issue", "issuer issues cards with records meanwhile", "cards", "issuer:issue"),
    Step("await-batch", "vault finishes the batch", "cards", "issuer:await_batch"),
    Step("export", "issuer exports the sealed package", "codes", "issuer:export"),
    Step("print", "fulfilment house opens it and prints", "codes", "house:print_cards"),
    Step("acknowledge", "issuer acknowledges the package", "packages", "issuer:acknowledge"),
    Step("sell", "seller activates sold cards", "cards", "seller:sell"),
    Step("mark", "ledger marks zero and in use", "cards", "ledger:mark"),
    Step("validate", "shop validates a sample, one a call", "codes", "shop:validate_sample"),
    Step("validate-all", "shop validates all, 1,000 a call", "codes", "shop:validate_all"),
    Step("try", "shop tries what it may not", "attempts", "shop:try_others"),
    Step("count", "ledger counts cards by state", "cards", "ledger:count"),
)
