"""The greatest sizes, against messages that are as large as their bounds allow."""

import pytest
from google.protobuf.message import Message

from tests.rpc.filled import filled
from vault.rpc.contract import Method
from vault.rpc.sizes import SLACK_BYTES, largest_request
from vault.v1 import issuance_service_pb2, validation_service_pb2


def test_the_largest_legal_request_is_never_above_the_cap(method: Method) -> None:
    size, cap = len(filled(method.request).SerializeToString()), largest_request(method.request)
    assert size <= cap
    assert cap <= size * 1.15 + 2 * SLACK_BYTES, "a cap this far above what is legal caps little"


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (validation_service_pb2.ListPublicKeysRequest, SLACK_BYTES),
        # Two fields: a program of 32 characters and a UUID, each with its tag and length.
        (issuance_service_pb2.GetBatchRequest, SLACK_BYTES + 34 + 38),
    ],
)
def test_sizes_that_are_known_by_hand(kind: type[Message], size: int) -> None:
    assert largest_request(kind) == size
