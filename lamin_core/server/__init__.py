"""The HTTP server: application, authentication, limits, routes of the read API."""
