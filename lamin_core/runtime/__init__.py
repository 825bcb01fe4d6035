"""What this process is: instance and run at work, settings, paths, environment, git."""
