"""What every test runs under."""

# ruff: noqa: E402
from vault.rpc.environment import prepare_environment

# Before any test module imports grpc, which reads its environment once.
prepare_environment()

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import address, cluster, template

__all__ = ["address", "cluster", "template"]

# Property tests are not timed: a busy machine is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long forms too, which take minutes each")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        left_out = pytest.mark.skip(reason="takes minutes: --long runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(left_out)
