"""Which files a process opens: noticed in this Python, in a Python that was started, or in any program."""
