"""`python -m lag_zoo.cli`: the same as `lag-zoo`."""

from lag_zoo.cli import main

main()
