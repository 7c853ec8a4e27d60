"""The vault's port, held by the supervisor for as long as it runs.

1. The port that the system chose stays the same over restarts of the processes that listen on it.
2. A second vault on the same address is refused, although processes of one vault share the port.
"""

import asyncio
import socket

ADDRESS_SECONDS = 5.0


async def reserve(host: str, port: int) -> socket.socket:
    """Bind a port that other processes may listen on, without listening; port 0 lets the system choose.

    Raises:
        OSError: Someone else listens there, after 5 s of waiting for an earlier vault's end, or the address is
            not this machine's.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    deadline = asyncio.get_running_loop().time() + ADDRESS_SECONDS
    while True:
        try:
            # SO_REUSEPORT would let a second vault of the same user share the port in silence: ask without.
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                place = probe.getsockname()
            break
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
    reserved = socket.socket(family, kind, protocol)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind(place)
    except OSError:
        reserved.close()
        raise
    return reserved
