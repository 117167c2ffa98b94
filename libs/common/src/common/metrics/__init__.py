"""What is measured: the kinds of metrics, and the table of all."""
