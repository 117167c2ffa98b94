"""The collections of this service."""
