"""The history of all jobs with log and curves; stop, resume, repeat, delete."""
