"""How fast a vault is, measured beside yardsticks on the same machine: started by ``scripts/bench``.

1. Everything is real: server processes over mutual TLS as ``cardvault serve`` starts them, a database on the
   disk, load from client processes of their own.
2. Each figure is the median of several runs taken in turn with the runs of its yardstick, so that a machine
   whose speed changes while it is measured changes both.
3. Every answer is compared, byte by byte, with the one that is right; one wrong answer ends the bench.
4. Every loop has a deadline.

Yardsticks: for calls a bare ``grpc.aio`` server that echoes bytes, with the same certificates, TLS settings,
number of processes and load; for issuance the same rows written to a fresh file of the same schema with the same
settings, in the same portions, sorted alike. Clients, server and yardstick share the machine's cores.

The bench keeps codes of its own cards in files of a folder that only its user can read, and deletes it.
"""
