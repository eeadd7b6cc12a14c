"""TumorDiff's window: what the radiologist sees; it holds no engine and loads no torch."""
