"""The suite that every store passes.

A module of tests for a store subclasses ``StoreContract`` and provides two fixtures: ``store``, open and empty,
and ``another``, a second store over the same records, as another process would have it.
"""

from tests.contracts.store_cards import CardContract
from tests.contracts.store_codes import CodeContract
from tests.contracts.store_crowded import CrowdContract
from tests.contracts.store_incidents import IncidentContract
from tests.contracts.store_moves import MoveContract
from tests.contracts.store_naming import NamingContract
from tests.contracts.store_records import RecordContract
from tests.contracts.store_reissues import ReissueContract
from tests.contracts.store_rows import RowContract
from tests.contracts.store_settle import SettleContract
from tests.contracts.store_tables import TableContract
from tests.contracts.store_transactions import TransactionContract


class StoreContract(
    TransactionContract,
    SettleContract,
    CrowdContract,
    RowContract,
    RecordContract,
    CardContract,
    CodeContract,
    IncidentContract,
    ReissueContract,
    TableContract,
    NamingContract,
    MoveContract,
):
    """Everything that ``vault.stores.protocol`` promises."""
