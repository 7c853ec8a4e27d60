"""``cardvault demo``: the main job, on the numbers of 2006, with real processes.

A vault runs as a process of its own, and each party as another one that holds only its own certificate: the
operator, the issuer, the fulfilment house that prints the cards, the seller, the ledger, a shop. Codes pass
between them only as they would in life: in a sealed package, and in the customers' hands, which are files of
mode 0600 outside the vault's data.

With ``--incident`` it is the story of how those codes leak, and are stopped and replaced while shops go on
asking: ``story`` has its steps, ``truth`` what shops know to be true, ``incident`` plays it.

At the end the vault is stopped and every byte that it wrote is searched for every code.
"""
