"""One folder or file per outside system."""
