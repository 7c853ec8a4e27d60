"""The byte formats that the vault stores and hands out, generated from ``protos/vault/formats/v1`` by ``scripts/protos``."""
