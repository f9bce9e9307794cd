"""The C kernels, their slow truth in Python, how they are built and how they are loaded."""
