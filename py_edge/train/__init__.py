"""Learning: gradients graph → graph, losses, optimizers as graph ops, and one compiled step per batch."""
