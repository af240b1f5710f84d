"""handgrad: neural networks by hand, for handwriting."""

__version__ = "0.1.0"
