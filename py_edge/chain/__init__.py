"""A question's way up and its answer's way home: identity, states, outbox, inbox, links, retries.

The core does no I/O: clock, randomness, store and network are handed in, so the same code runs in a node, in the
tab and in the simulator. Standard library only.
"""
