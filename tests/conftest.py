"""What every test runs under."""

from vault.rpc.environment import prepare_environment

# Before any test module imports grpc, which reads its environment once.
prepare_environment()
