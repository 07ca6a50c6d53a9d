"""Exports: what is in the files, and that nothing that ends a run leaves anything twice or missing."""
