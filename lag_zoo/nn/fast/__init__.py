"""The network rearranged to answer faster, with the same logits to 1e-5; entered by `LAG.fuse()`."""
