"""Patients, visits, series and phases; import; clinical facts."""
