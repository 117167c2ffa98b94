"""Hermes, through the JSON-RPC that `hermes serve` speaks over a WebSocket.

It is the protocol of Hermes' own desktop application, and internal: its contract number is
checked, and everything that has to be known about it stands in this package.
"""
