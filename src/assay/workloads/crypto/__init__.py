"""Direction and size of moves of perpetual futures, on a mock market or on the user's own files."""
