"""The weights that travel inside the package: data, and no code."""
