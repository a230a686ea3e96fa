"""The only I/O: Kedro dataset classes for sources and for everything that Assay keeps."""
