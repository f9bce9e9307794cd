"""The story that shows the loop closing: digits of writers never seen, two nodes, a page and a desk.

The one room that the design's list of folders does not name: it only wires the others and could be deleted.
"""
