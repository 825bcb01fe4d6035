"""The emit half: events, facets, names and the sinks that they go to. Needs no database."""
