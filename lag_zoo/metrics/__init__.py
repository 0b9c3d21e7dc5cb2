"""Statistics of diagnostic accuracy, on arrays: no network, no files."""
