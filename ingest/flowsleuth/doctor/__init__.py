"""What a helpful colleague would check: each finding with the command that mends it."""
