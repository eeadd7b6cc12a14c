"""Every kind of job: its parameters and its run."""
