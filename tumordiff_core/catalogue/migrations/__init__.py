"""Numbered SQL scripts, each raising the database's format by one; never changed once released."""
