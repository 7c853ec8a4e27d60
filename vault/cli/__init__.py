"""What people type: ``cardvault COMMAND``, one module for each group of commands.

1. Only the chosen command's module is imported, so that ``--help`` answers at once.
2. A code is never in an argument, where the process list and the shell's history would show it: it is read from
   the terminal without echo, or from standard input; codes are written to files of mode 0600, and to standard
   output only where ``--stdout`` asks for it.
3. Exit status 0: done; 1: refused or failed; 2: wrong usage; 3: some items of several were not done; 130:
   interrupted at the terminal.
4. With ``--json`` standard output holds one JSON value and nothing else.
"""
