"""Who is calling: the principal that the client's certificate names.

1. The principal is the certificate's SPIFFE id (its only URI name, as the X.509-SVID standard demands), else
   its only DNS name, in lower case. A certificate with several of them names nobody.
2. A SPIFFE id and a DNS name can't be mistaken for each other: gRPC tells their types apart, and only what has
   the shape of its type is taken.

TLS has verified the certificate before. This adds no revocation: deny the principal in the access file.
"""

import re
from collections.abc import Iterable, Mapping

from vault.errors import Unauthenticated

# SPIFFE-ID.md section 2: trust domain, then path segments.
_SPIFFE = re.compile(rb"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+")
_DNS = re.compile(rb"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_LONGEST = 2048


def principal_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Return the principal that a call's authentication context names.

    Args:
        auth_context: What grpc's ``ServicerContext.auth_context`` returns.

    Raises:
        Unauthenticated: The client's certificate names no principal, or several.
    """
    uris = list(auth_context.get("peer_uri", ()))
    if any(uri[:9].lower() == b"spiffe://" for uri in uris):
        if len(uris) == 1 and len(uris[0]) <= _LONGEST and _SPIFFE.fullmatch(uris[0]):
            return uris[0].decode()
    else:
        names = [name.lower() for name in auth_context.get("peer_dns", ())]
        if len(names) == 1 and _DNS.fullmatch(names[0]):
            return names[0].decode()
    message = "the client's certificate must name one principal: a SPIFFE id as its only URI, or one DNS name"
    raise Unauthenticated(message, reason="PRINCIPAL_UNNAMED")
