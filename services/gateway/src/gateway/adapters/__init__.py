"""The bus, and the keys that bearer tokens are verified with."""
