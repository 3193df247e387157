"""What operations mean: pure Python without I/O, clock, async or Django.

Everything here is a function of its arguments; time, randomness and ids come from the caller.
"""
