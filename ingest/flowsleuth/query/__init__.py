"""Asking captures and the archive: which records somebody wants to see, and the largest of them."""
