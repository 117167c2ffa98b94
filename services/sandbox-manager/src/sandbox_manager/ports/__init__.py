"""What the use cases need from the outside, in this service's words."""
