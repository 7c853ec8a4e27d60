"""The console script ``cardvault``, which ``python -m vault`` is too."""

import sys

from vault.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
