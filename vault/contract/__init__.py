"""The contract of ``vault.v1`` as cases, made from the protos' descriptors: for any vault, in any language.

Teams that call the vault, and those who run it, need to know that a running vault keeps to its protos: who may
call each method, and what each field may hold. The options in the protos say so; this package turns them into
requests with the answers that must come back. A new method or field is covered the day it is written, since
nothing here names one (but the two that every run needs, ListPublicKeys and health).

    options                              what the protos say of methods and fields
    pattern, texts, numbers, requests    values at the edges of their bounds, and good requests
    callers, fields, faults              the cases, by what is wrong in them
    suite, descriptors                   all of them, and the files for other languages
    filling, ids                         what stands in place of names when a case is run
    sending, runner, judge, report       a run against a vault

Guarantees:

1. Expectations come from the options alone; the server's code for enforcing them is not used, so that a vault
   which enforces something else is found out.
2. No case takes effect in a vault, unless a program is named for it: bounds are tried by a caller whose roles
   are for another program, so that even a vault which forgets a bound refuses in the end. What is left are
   calls that read, and the vault's own records of refusals.
3. What is told of an answer that is wrong holds names of fields, statuses and reasons, never its content.
4. The same protos give the same cases, byte for byte.

Not tried: second officers (recorded in the protos, not enforced yet), what methods do with requests that are in
order, and speed. A pattern that ``contract.pattern`` cannot read stops everything rather than going untested.

It belongs to the client: no server code, no cryptography, a plain install runs it.
"""
