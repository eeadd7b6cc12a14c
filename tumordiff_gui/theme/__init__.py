"""Colours, icons, fonts and the one style sheet."""
