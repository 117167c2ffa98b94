"""The HTTP API: routes that build a contract message, ask the bus, and pass the answer on."""
