"""The control plane, `/api`: one file per kind of thing."""
