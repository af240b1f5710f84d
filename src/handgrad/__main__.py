"""`python -m handgrad`: the command line, also where the console script is not on the path."""

import sys

from handgrad.cli import main

if __name__ == "__main__":
    sys.exit(main())
