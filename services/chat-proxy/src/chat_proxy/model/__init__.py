"""Sessions, turns, approvals and the journal, as values and rules: no I/O."""
