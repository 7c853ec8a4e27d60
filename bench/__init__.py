"""How fast a vault is, measured beside yardsticks on the same machine: started by ``scripts/bench``.

1. Everything is real: server processes over mutual TLS as ``cardvault serve`` starts them, a database on the
   disk, load from client processes of their own.
2. Each figure is the median of several runs taken in turn with the runs of its yardstick, so that a machine
   whose speed changes while it is measured changes both.
3. Every answer is compared, byte by byte, with the one that is right; one wrong answer ends the bench.
4. Every loop has a deadline.

Stores: SQLite, or with ``--store postgres`` a PostgreSQL cluster that the bench makes for itself (``cluster``), as
durable as one of production, with the settings that the README asks for. It shares the machine's cores too.

What is measured: calls (``validate``, ``batch``: closed loops, 128 or 8 calls in flight, with the CPU time that
workers and database use for a call; ``paced``: ValidateCode at steady rates, a call's time from when it was due),
``issuance`` and ``memory`` over it; the Python client's Validator beside a call for each of its callers
(``coalesce``); sealed submissions, singly with a receipt and in batches (``sealed``); whether answers tell why a
code is not good (``uniform``); and what security staff does in an incident, by the officer's calls alone:

- ``freeze``: the seconds of one FreezeIncident over chosen cards.
- ``reissue``: those cards' re-issue, once beside 300 ValidateCode calls a second that are offered whether they
  are answered or not (a call's time runs from when it was due), measured before without a job; and once alone.
- ``rekey``, ``rewrap``: whole jobs from CreateRotationJob to DONE, settling and proving included, by the vault's
  clock, at 100,000 cards, and rewrapping at 1,000,000 too.
- ``job-memory``: the job process's peak after a re-issue, a re-key and a rewrap of every card of a vault of
  10,000, and again of 1,000,000.

Yardsticks: for calls a bare ``grpc.aio`` server that echoes bytes, with the same certificates, TLS settings,
number of processes and load; for issuance, re-issue and re-key the same rows written to a fresh database of the
same schema and kind with the same settings, in the same portions, sorted alike: on SQLite by INSERT, on PostgreSQL
by binary COPY. Rows that a job changes are changed by an UPDATE of just those columns, on PostgreSQL from arrays,
in a database that holds what was there before. On PostgreSQL bare look-ups are shown as well: whole rows of codes
by their digest, 500 and 1 at a time, by as many connections as the vault has workers. Clients, server and
yardstick share the machine's cores.

``connections`` is the largest number of the vault's connections that pg_stat_activity showed while it was under
load, looked at ten times a second.

The bench keeps codes of its own cards in files of a folder that only its user can read, and deletes it.
"""
