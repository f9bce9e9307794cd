"""Loops and branches of a TensorFlow graph: unrolled where they are short, a scan where the count is known, a core
`while` or `cond` where data decides and shapes stay, and step by step with events otherwise.
"""
