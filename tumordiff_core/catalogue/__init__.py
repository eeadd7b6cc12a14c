"""The catalogue: which patients, visits, series, phases, facts and results there are, and what the reader changed."""
