"""The chat path under fire: see `__main__`."""
