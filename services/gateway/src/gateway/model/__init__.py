"""What the gateway knows without asking: identities, numbered frames, the order of a view."""
