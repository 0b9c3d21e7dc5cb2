"""When looking twice pays, measured: see `recipes.results.__main__`."""
