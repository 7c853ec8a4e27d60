"""The API's messages and stubs, generated from ``protos/vault/v1`` by ``scripts/protos``."""
