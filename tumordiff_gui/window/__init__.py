"""The frame: module bar, panel and picture area, jobs dock, status bar, and the dialogues of the whole window."""
