"""Attacks on what lag_zoo reads and writes: many tries of a kind, and what came of them.

`python -m tests.attack` makes the table of docs/reliability.md; `tests/test_attack.py` tries each kind a few times.
"""
