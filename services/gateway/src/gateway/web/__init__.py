"""The pages: templates, static files, and the journals as partial updates of a page."""
