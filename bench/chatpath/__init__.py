"""The chat path: chunks from an agent to viewers, beside what only passes bytes on."""
