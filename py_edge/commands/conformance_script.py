"""What `py-edge conformance --runtime pyodide` runs there: every part of /data; the last expression is what is printed."""

import json
from pathlib import Path

from py_edge.kernels.load import library
from py_edge.model import compiled_by
from py_edge.tfjs import conformance
from py_edge.train.conformance import others

compile_ = compiled_by(library())
json.dumps(conformance.as_json(conformance.run(Path("/data"), compile_, others=others(compile_))))
