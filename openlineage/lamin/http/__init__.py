"""The registry over HTTP: taking events in, and answering questions."""
