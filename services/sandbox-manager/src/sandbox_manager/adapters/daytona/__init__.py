"""Daytona: the only place that imports its SDK (1.7 s, so nothing else does)."""
