"""What `py-edge conformance --runtime pyodide` runs there, the parts in sys.argv; the last expression is what is printed."""

import json
import sys
from pathlib import Path

from py_edge.commands.conformance import compute

json.dumps(compute(Path("/data"), Path("/tree"), sys.argv[1:]))
