"""For people who test their own pages: a real origin on a free port, bad weather on demand, a browser that tattles."""

from py_edge.testing.faults import Fault, Faults
from py_edge.testing.origin import Origin

__all__ = ["Fault", "Faults", "Origin"]
