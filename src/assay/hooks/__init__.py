"""What goes on around the nodes of a run: receipts, the manifest, progress. No figure depends on any of it."""
