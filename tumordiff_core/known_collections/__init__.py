"""One file per collection: which files are its own, its time points, roles, phases and recorded analysis."""
