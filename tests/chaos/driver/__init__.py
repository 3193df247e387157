"""Campaigns: real processes under seeded faults, everything written down, and the promises checked against it.

`python -m tests.chaos.driver --seed 7`. A seed decides the faults, their times and their targets, and what each client
does given the same answers; how long things take it does not decide.
"""
