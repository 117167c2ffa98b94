"""Use cases of the edge: who is calling, and following a journal."""
