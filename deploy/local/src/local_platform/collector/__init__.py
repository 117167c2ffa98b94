"""Stands in for the OpenTelemetry Collector where its image cannot be had: takes traces over
OTLP/HTTP and prints each span as one line of JSON.
"""
