"""The store: a repository per collection, entities in and out, never documents."""
