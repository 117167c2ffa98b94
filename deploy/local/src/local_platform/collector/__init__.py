"""Stands in for the OpenTelemetry Collector where its image cannot be had: takes traces and
metrics over OTLP/HTTP and prints each span and each metric as one line of JSON.
"""
