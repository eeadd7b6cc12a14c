"""Training: real slices, made noise, Lightning; the only room that imports lightning."""
