"""Families of features, one file each: its name in ``families:`` is the name of its file."""
