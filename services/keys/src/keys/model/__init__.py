"""What an owner keeps here, and how it is sealed: pure."""
