"""An example plugin of TumorDiff."""
