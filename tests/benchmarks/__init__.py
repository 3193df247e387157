"""Ratios measured in one run on one machine; `python -m tests.benchmarks --help` says what can be run."""
