"""This process: current instance and run, settings, paths, environment, git."""
