"""Use cases: launches, the owner's sandbox, the agent's endpoint, reconciliation."""
