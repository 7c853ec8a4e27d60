"""How the vault is spoken to: gRPC over mutual TLS, its contract enforced from the descriptors.

Importing this package does not import grpc: ``rpc.environment`` must have its say first.
"""
