"""The front door of several replicas on one machine: connections are dealt out in turn, and what
refuses one is passed over.
"""
