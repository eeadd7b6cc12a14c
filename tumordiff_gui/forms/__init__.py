"""A parameter record becomes a form."""
