"""The routes of the pages: each asks what the JSON API asks, and renders the answer."""
