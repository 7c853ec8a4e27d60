"""A refusal that is true of a whole group is asked for once, not once for each code."""

import asyncio

import pytest

from tests.client.conftest import Peer
from tests.client.crowd import PROGRAMS, code_of, right, serve_groups
from vault.client.validator import Validator
from vault.errors import FailedPrecondition
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest


def refuses_clear(request: BatchValidateCodesRequest) -> FailedPrecondition | None:
    """Refuse as a vault does whose program takes sealed submissions only: by the first code in clear."""
    clear = [place for place, form in enumerate(request.codes) if form.code]
    field = f"codes[{clear[0]}].code" if clear else ""
    return FailedPrecondition("sealed only", reason="SEAL_REQUIRED", field=field) if clear else None


@pytest.mark.parametrize("count", [1, 60])
async def test_codes_in_clear_where_sealing_is_required_cost_one_call(peer: Peer, count: int) -> None:
    groups = serve_groups(peer, refuses_clear)
    sealed = bytes([1]) * 565
    async with await peer.client() as client, Validator(client) as validator:
        asking = [validator.validate(code_of(number), PROGRAMS) for number in range(count)]
        *refused, answer = await asyncio.gather(*asking, validator.validate(sealed, PROGRAMS), return_exceptions=True)
    assert answer == right(sealed)
    assert len(refused) == count
    for error in refused:
        assert isinstance(error, FailedPrecondition)
        assert (error.reason, error.field) == ("SEAL_REQUIRED", "code.code")
    assert sorted(groups.sizes) == sorted([1, count])
