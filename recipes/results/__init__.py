"""Does looking twice help? Measured on Kvasir-SEG: see `recipes.results.__main__`."""
