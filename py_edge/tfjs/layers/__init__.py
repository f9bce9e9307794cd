"""Keras layers: each class of a layers-model and how it becomes core ops; table.py has one row a class."""
