"""The real chain code in a simulated world: virtual time, seeded faults of network, disk, clock and process.

`run_history(seed)` lives one history and checks it from outside; the same seed gives the same history bit for bit.
Idea: FoundationDB's simulation, TigerBeetle's VOPR. Standard library only.
"""

from py_edge.chain.simulate.history import Outcome, run_history
from py_edge.chain.simulate.world import Plan

__all__ = ["Outcome", "Plan", "run_history"]
