"""The outside: MongoDB, the master key."""
