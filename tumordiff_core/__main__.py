"""``python -m tumordiff_core`` is the command line."""

import sys

from tumordiff_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
