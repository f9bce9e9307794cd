"""Small models that run and keep learning in a web page, and ask the next node, at last a person, when unsure."""

__version__ = "0.1.0"
