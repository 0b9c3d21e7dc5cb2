"""What keeps crops from costing the backbone: a screening of the recipes' guards."""
