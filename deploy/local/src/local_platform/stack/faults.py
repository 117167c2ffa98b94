"""What can keep the platform from starting, in words that say what to do."""


class FaultError(Exception):
    """The message is for the person at the terminal."""
