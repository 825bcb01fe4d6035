"""The web pages: server-rendered, readable without JavaScript, each with the same data as JSON and CSV."""
