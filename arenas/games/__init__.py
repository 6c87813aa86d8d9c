"""Native arenas: one file a game, each a batched tensor program."""
