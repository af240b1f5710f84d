"""A picture of a digit, made to look as MNIST's makers would have made it.

`prepare.prepare` is the door. Behind it each step is a small function in the room of its noun: `picture` reads files
and arrays, `paper` finds the ink on them, `pieces` finds the digits in the ink, `frame` sets each into 28x28 pixels.
NumPy and Pillow do all of it: SciPy's `ndimage` takes longer to load than a picture takes to be read.
"""
