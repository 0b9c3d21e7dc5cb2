"""The recipe of `lag_tf_efficientnet_lite0_polyp`: windows, training, evaluation, and the files that ship."""
