"""What goes in: images and labels, as bytes.

`sources.load` is the door; a `Dataset` is what comes through it, wherever its bytes were.
"""
