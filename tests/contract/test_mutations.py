"""A vault that enforces something else than its protos say is found out, each time and nowhere else."""

from pathlib import Path
from typing import NamedTuple

import pytest
from google.api import field_behavior_pb2

from tests.contract.house import house
from tests.contract.mutation import BEHAVIOUR, VALUE, Mutation, environment
from vault.contract.report import failures
from vault.contract.suite import all_cases
from vault.v1 import options_pb2


class Lie(NamedTuple):
    """What the server enforces instead, and which case of which method notices."""

    mutation: Mutation
    method: str
    case: str


LIES = [
    Lie(Mutation("vault.v1.SuspendCardsRequest.reason", "max_length", 201), "SuspendCards", "reason: too long"),
    Lie(Mutation("vault.v1.ResumeCardsRequest.reason", "max_length", 199), "ResumeCards", "reason: of 200 characters"),
    Lie(
        Mutation("vault.v1.CreateRecipientRequest.public_key", "min_length", 31),
        "CreateRecipient",
        "public_key: too short",
    ),
    Lie(Mutation("vault.v1.MarkCardsRequest.marks", "max_items", 1001), "MarkCards", "marks: with too many items"),
    Lie(
        Mutation("vault.v1.ListBatchesRequest.page_size", "maximum", 1_000_001),
        "ListBatches",
        "page_size: just above the greatest",
    ),
    Lie(Mutation("vault.v1.ExportBatchRequest.offset", "minimum", -1), "ExportBatch", "offset: just below the least"),
    Lie(
        Mutation("vault.v1.CreateRotationJobRequest.rest", "maximum", 61),
        "CreateRotationJob",
        "rest: just above the greatest",
    ),
    Lie(
        Mutation("vault.v1.GetProgramRequest.program", "pattern", None),
        "GetProgram",
        "program: off its pattern at the middle",
    ),
    Lie(
        Mutation("vault.v1.BlockPrincipalRequest.principal", "text", value=True),
        "BlockPrincipal",
        "principal: beyond ASCII",
    ),
    Lie(
        Mutation("vault.v1.PutRecordRequest.payload", BEHAVIOUR, field_behavior_pb2.OPTIONAL),
        "PutRecord",
        "payload: missing",
    ),
    Lie(Mutation("vault.v1.Incident.Proof", VALUE, 4), "OpenExchange", "proof: unknown value 4"),
    Lie(
        Mutation("vault.v1.CardService.GetCard", "role", options_pb2.ROLE_SELLER),
        "GetCard",
        "by one with the role seller alone",
    ),
    Lie(
        Mutation("vault.v1.CardService.GetRecord", "any_program", value=True),
        "GetRecord",
        "with the role on another program",
    ),
]


async def test_a_vault_that_enforces_something_else_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path, [lie.mutation for lie in LIES]).items():
        monkeypatch.setenv(name, value)
    with house(tmp_path / "vault") as made:
        results = await made.try_cases(all_cases())
    found = {(result.case.method.rpartition("/")[2], result.case.name) for result in failures(results)}
    assert [lie for lie in LIES if (lie.method, lie.case) not in found] == []
    assert {method for method, _ in found} == {lie.method for lie in LIES}
