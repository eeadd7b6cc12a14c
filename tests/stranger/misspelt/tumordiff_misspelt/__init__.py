"""A plugin with a misspelt hook."""

from tumordiff_core.plugins.hookspecs import hookimpl


@hookimpl
def register_taks():
    """Should have been ``register_tasks``."""
    return []
