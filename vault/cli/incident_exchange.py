"""``cardvault incident exchange open`` and ``close``: holders trade superseded codes for their successors."""

import argparse

from vault.cli.applying import add_applying, finish, go_ahead
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.incidents import add_incident, get_incident, of, plain_incident, seen_first, show_incident, steps_of
from vault.cli.output import Output
from vault.cli.timing import parse_expiry, parse_instant
from vault.client.channel import VaultClient
from vault.v1.incident_service_pb2 import CloseExchangeRequest, Incident, OpenExchangeRequest

PROOFS = {
    "serial": Incident.PROOF_SERIAL,
    "sale-secret": Incident.PROOF_SALE_SECRET,
    "purchase": Incident.PROOF_PURCHASE,
}


def add_exchange(actions: Actions) -> None:
    """Add ``exchange`` with its own actions."""
    exchange = Actions(actions.add_local("exchange", "let holders trade superseded codes for their successors"))
    opening = exchange.add("open", _open, "open the exchange, for a time")
    close = exchange.add("close", _close, "end the exchange before its time")
    for action in (opening, close):
        add_incident(action)
        add_applying(action)
    opening.add_argument("--proof", choices=PROOFS, required=True, help="what a holder has to show")
    opening.add_argument("--from", dest="since", type=parse_instant, metavar="TIME", help="when it begins (now)")
    opening.add_argument("--until", type=parse_expiry, metavar="TIME", required=True, help="when it ends")


async def _open(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    what = f"open the exchange to whoever shows the superseded code and proof: {parsed.proof}"
    if not await go_ahead(parsed, output, parsed.program, seen_first(client, parsed, output, what)):
        return EXIT_DONE
    request = OpenExchangeRequest(
        program=parsed.program,
        incident_id=parsed.incident,
        proof=PROOFS[parsed.proof],
        exchange_from=parsed.since,
        exchange_until=parsed.until,
    )
    incident = (await client.call(client.incidents.OpenExchange, request)).incident
    show_incident(output, incident)
    jobs = (await get_incident(client, parsed)).jobs
    steps = [f"{of(incident, 'exchange close', '--apply')}  ends it before its time", *steps_of(incident, jobs)]
    return finish(output, {"incident": plain_incident(incident)}, steps)


async def _close(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    what = "end the exchange: superseded codes get nothing any more"
    if not await go_ahead(parsed, output, parsed.program, seen_first(client, parsed, output, what)):
        return EXIT_DONE
    request = CloseExchangeRequest(program=parsed.program, incident_id=parsed.incident)
    incident = (await client.call(client.incidents.CloseExchange, request)).incident
    show_incident(output, incident)
    jobs = (await get_incident(client, parsed)).jobs
    return finish(output, {"incident": plain_incident(incident)}, steps_of(incident, jobs))
