"""The collections of this service, a file each."""
