"""One step of training, shared by several processes over one block of memory.

`member.py` is the step and the place to begin: how the mathematics of a step is divided. `job.py` says who owns what,
`memory.py` is what the members share and how they wait for each other, and `crew.py` is the side of the process that
trains.
"""
