"""`python -m py_edge` is `py-edge`."""

import sys

from py_edge.cli import main

sys.exit(main())
