"""The mathematics of a fully connected network, written by hand in NumPy.

Nothing here reads a file, prints a line or knows what a digit is. Three things are kept apart: the *parameters*
are one flat vector, the *layers* are formulas without memory, and a *pass* owns the arrays that one batch flows
through. Read `layers.py` first, then `network.py`; `docs/backprop.md` derives every formula.
"""
