"""The use cases, a file for each thing an owner keeps here."""
