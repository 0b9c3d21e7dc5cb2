"""Readers of files that hold frames beside other things: DICOM objects and videos.

Each needs an extra of its own, which it asks for by name. What it gives are pixels as `lag_zoo.data.read_image` gives
them.
"""
