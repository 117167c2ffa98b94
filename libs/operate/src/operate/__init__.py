"""What operators run beside the services: back-up and restore."""
