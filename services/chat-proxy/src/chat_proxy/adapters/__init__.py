"""The ports' real forms: one module or package per outside system."""
