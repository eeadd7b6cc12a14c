"""Export: one result as files for other programs, with everything said before and after it is written."""
