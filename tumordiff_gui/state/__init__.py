"""What is open, selected, laid out and undoable: plain Python with psygnal signals, no Qt."""
