"""What is done inside a sandbox: a script that runs there, and the commands that carry it."""
