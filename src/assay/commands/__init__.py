"""Commands of ``assay`` beside ``run`` and ``resume``."""
