"""nfdump's filter language: an expression becomes a test of columns."""
