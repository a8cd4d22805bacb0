"""`python -m mmpyramid` is `mmpyramid`."""

import sys

from mmpyramid.cli import main

if __name__ == "__main__":
    sys.exit(main())
