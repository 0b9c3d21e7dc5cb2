"""The recipe of `lag_mobilenetv3_small_100_polyp`: windows, training, evaluation, and the files that ship."""
