"""Protocols and their reports: what a method gains, on whom, and how sure that is."""
