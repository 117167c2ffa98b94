"""The rules of the resolver, without any input or output."""
