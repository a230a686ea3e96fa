"""Direction and size of moves of perpetual futures, from the user's own files."""
