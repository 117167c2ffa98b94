"""What `make bench` runs: figures measured on this machine, each goal a ratio to something of the
same run.
"""
