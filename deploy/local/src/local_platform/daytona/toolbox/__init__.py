"""The daemon inside a sandbox: files, commands, sessions, and the tunnels in and out.

It runs with the sandbox's own user and knows nothing but its own namespace, so this package
imports only the standard library, aiohttp and itself. The host hands it two listening sockets;
no address of the host is visible from here.
"""
