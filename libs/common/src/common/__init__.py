"""What two services share and that decides nothing: the wire, the bus, the store, errors,
telemetry.
"""
