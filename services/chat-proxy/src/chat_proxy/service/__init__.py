"""Use cases: sessions, turns and their running, approvals, attaching, taking over."""
