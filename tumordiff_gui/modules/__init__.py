"""The modules of the window: each a folder with module, panel and strings."""
