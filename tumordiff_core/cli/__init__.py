"""The command line: verbs only, each parses, makes one core call and prints."""
