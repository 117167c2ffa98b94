"""The outside systems: GitHub, local directories, MongoDB, the Object Store."""
