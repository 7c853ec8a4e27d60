"""A vault's public keys and answers, as tests of the client make them up."""

from google.protobuf.timestamp_pb2 import Timestamp

from vault.crypto.jws import key_id
from vault.crypto.keypair import public_key
from vault.crypto.keyring import Key
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

ISSUER = "urn:uuid:6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
_WIRE = {
    KeyPurpose.RECEIPT: PublicKey.PURPOSE_RECEIPT,
    KeyPurpose.STATEMENT: PublicKey.PURPOSE_STATEMENT,
    KeyPurpose.CHECKPOINT: PublicKey.PURPOSE_CHECKPOINT,
    KeyPurpose.SEALING: PublicKey.PURPOSE_SEALING,
}


def private_key(purpose: KeyPurpose, version: int) -> Key:
    """Answer a key, the same each time."""
    return Key(purpose, "", version, KeyState.ACTIVE, Secret(bytes((purpose, version)) * 16))


def published(purpose: KeyPurpose, version: int, state: KeyState = KeyState.ACTIVE) -> PublicKey:
    """Answer what ListPublicKeys says of it."""
    public = public_key(purpose, private_key(purpose, version).secret)
    assert public is not None
    return PublicKey(
        key_id=key_id(purpose, version),
        purpose=_WIRE[purpose],
        state=PublicKey.State.ValueType(state),
        public_key=public,
    )


def answer(*keys: PublicKey, seconds: float = 1_700_000_000.0) -> ListPublicKeysResponse:
    """Answer a whole answer, given at a time of the vault's clock."""
    time = Timestamp()
    time.FromMilliseconds(int(seconds * 1000))
    return ListPublicKeysResponse(keys=keys, time=time, issuer=ISSUER)
