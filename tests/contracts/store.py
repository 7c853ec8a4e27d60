"""The suite that every store passes.

A module of tests for a store subclasses ``StoreContract`` and provides two fixtures: ``store``, open and empty,
and ``another``, a second store over the same records, as another process would have it.
"""

from tests.contracts.store_cards import CardContract
from tests.contracts.store_codes import CodeContract
from tests.contracts.store_records import RecordContract
from tests.contracts.store_rows import RowContract
from tests.contracts.store_tables import TableContract
from tests.contracts.store_transactions import TransactionContract


class StoreContract(TransactionContract, RowContract, RecordContract, CardContract, CodeContract, TableContract):
    """Everything that ``vault.stores.protocol`` promises."""
