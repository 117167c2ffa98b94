"""The whole platform on one machine: what runs, with which environment, and how it is kept
running.

`up` makes what is missing below `LOCAL_DIR`, writes one environment file per process and a
configuration for `supervisord`, starts it and waits until every process says that it is ready.
`supervisord` restarts what dies and keeps the logs small.

Nothing is left behind, whoever dies first. A process asks the kernel for a SIGTERM at the death of
its parent, so the end of `up` ends `supervisord`, and that ends its children. What escapes this is
known by a mark in its environment (`LOCAL_STACK` = the absolute `LOCAL_DIR`); `up` and `down` look
for the mark in the process table and end what carries it.
"""
