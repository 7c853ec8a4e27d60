"""The shape of each table: its key, and what protects each column.

Every column is in exactly one of four places: under the row tag, sealed (ciphertext bound by its associated
data), the tag itself, or exempt for a stated reason. Stores build their SQL from these shapes, the tagger its
byte strings, and a test walks them, so that a new column is covered the day it is added.

Columns are only ever added, at the end of the list before ``tag``'s table grows a new tag version: ``since``
names the tag version that first covers a column. A row tagged under an older version must hold NULL there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from vault.model import incident_rows, rows


class Shape(NamedTuple):
    """How one table is laid out and protected."""

    table: str
    row: type[Any]
    key: tuple[str, ...]
    sealed: tuple[str, ...] = ()
    exempt: Mapping[str, str] = MappingProxyType({})
    since: Mapping[str, int] = MappingProxyType({})
    tag_version: int = 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in the order of the row's fields."""
        return tuple(self.row._fields)

    def tagged(self, version: int) -> tuple[str, ...]:
        """Names of the columns that a row tag of this version covers, in order; empty for a table without a tag."""
        if "tag" not in self.columns:
            return ()
        unprotected = {*self.sealed, *self.exempt, "tag"}
        return tuple(name for name in self.columns if name not in unprotected and self.since.get(name, 1) <= version)


_LEASE = "says only who is at work; every chunk is fenced by the tagged cursor in its own transaction"
_COPY = "a copy from the chained event bytes, compared with them when read"

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        shape.table: shape
        for shape in (
            Shape("vault", rows.VaultRow, ("vault_id",)),
            Shape("program", rows.ProgramRow, ("program",), since={"seal_required": 2}, tag_version=2),
            Shape("key_version", rows.KeyVersionRow, ("purpose", "program", "version"), sealed=("wrapped_key",)),
            Shape("key_use", rows.KeyUseRow, ("purpose", "program", "version")),
            Shape("recipient", rows.RecipientRow, ("program", "recipient")),
            Shape("batch", rows.BatchRow, ("batch_id",), sealed=("wrapped_package_key",)),
            Shape("card", rows.CardRow, ("program", "card_id"), sealed=("sealed_record", "wrapped_record_key")),
            Shape("code", rows.CodeRow, ("digest",), sealed=("sealed_code", "wrapped_code_key")),
            Shape("serial", rows.SerialRow, ("program", "serial")),
            Shape("tally", rows.TallyRow, ("program", "slot")),
            Shape(
                "job",
                rows.JobRow,
                ("job_id",),
                exempt={"lease_owner": _LEASE, "lease_until_ms": _LEASE},
                since={"spec": 2, "progress": 2},
                tag_version=2,
            ),
            Shape("request", rows.RequestRow, ("principal", "request_id")),
            Shape("submission", rows.SubmissionRow, ("nonce",)),
            Shape("root_copy", rows.RootCopyRow, ("root_version",)),
            Shape("incident", incident_rows.IncidentRow, ("incident_id",)),
            Shape("incident_step", incident_rows.IncidentStepRow, ("incident_id", "number")),
            Shape("selection", incident_rows.SelectionRow, ("selection_id", "card_id")),
            Shape("hold", incident_rows.HoldRow, ("hold_id",)),
            Shape("block", incident_rows.BlockRow, ("program", "principal")),
            Shape("reissue", incident_rows.ReissueRow, ("job_id", "card_id")),
            Shape("package", incident_rows.PackageRow, ("package_id",), sealed=("wrapped_package_key",)),
            Shape(
                "sale_secret",
                incident_rows.SaleSecretRow,
                ("program", "card_id"),
                sealed=("sealed_secret", "wrapped_secret_key"),
            ),
            Shape("exchange", incident_rows.ExchangeRow, ("program", "card_id", "generation")),
            Shape("attempt", incident_rows.AttemptRow, ("program", "card_id")),
            Shape("superseded_use", incident_rows.SupersededUseRow, ("program", "card_id", "generation")),
            Shape(
                "audit_event",
                rows.AuditEventRow,
                ("writer_id", "counter"),
                sealed=("event", "chain"),
                exempt={"writer_id": _COPY, "counter": _COPY, "recorded_ms": _COPY, "program": _COPY},
            ),
        )
    }
)
