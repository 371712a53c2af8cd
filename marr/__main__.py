"""`python -m marr` is the same as `marr`."""

import sys

from marr.cli import main

if __name__ == "__main__":
    sys.exit(main())
