"""The models of `py-edge bench`: one Keras definition each, random weights with a fixed seed, written in every format.

Runs in an environment of its own that has TensorFlow (py_edge/bench/environments.py); nothing here is imported by others.
"""
