"""``python -m tumordiff_gui [PATH ...]`` opens the window."""

import sys

from tumordiff_gui.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
