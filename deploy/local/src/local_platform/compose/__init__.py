"""What `make compose-up` needs on the host: the secrets of a deployment, and a way to log in."""
