"""The write side of events: facts of runs become rows."""
