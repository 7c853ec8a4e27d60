"""What has to be in the environment before grpc is first imported.

gRPC has no setting for the TLS version. Its server takes TLS 1.2 only with one of the cipher suites listed in
GRPC_SSL_CIPHER_SUITES, which are TLS 1.2's; TLS 1.3 has its own. A list of RSA suites alone, together with an
ECDSA certificate (which ``rpc.tls`` insists on), leaves TLS 1.2 nothing to agree on. gRPC reads the
environment once, when it is imported.
"""

import os
import sys

_SUITES = "ECDHE-RSA-AES256-GCM-SHA384"
_SETTINGS = {"GRPC_SSL_CIPHER_SUITES": _SUITES}


def prepare_environment() -> None:
    """Set what grpc reads at import. Call it before anything imports grpc.

    Raises:
        RuntimeError: grpc was imported already, without these settings.
    """
    if not prepared() and "grpc" in sys.modules:
        message = "grpc was imported before its environment was prepared"
        raise RuntimeError(message)
    os.environ.update(_SETTINGS)


def prepared() -> bool:
    """Tell whether the environment is as ``prepare_environment`` leaves it."""
    return all(os.environ.get(name) == value for name, value in _SETTINGS.items())
