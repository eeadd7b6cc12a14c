"""The plugins module's sentences."""

SEARCH = "Search plugin or what it offers"
LIST = "Plugins"
COUNT = "{on} on   {failed} failed   {off} disabled"
OURS = "built in"
STATES = {"on": "on", "failed": "failed", "off": "disabled"}
STATE_ICONS = {
    "on": ("check-circle-outline", "good"), "failed": ("alert-circle-outline", "error"),
    "off": ("eye-off-outline", "secondary"),
}  # fmt: skip
NOTHING_FITS = "No plugin fits."
VERSION = "version {version}"

ENABLED = "Enabled"
ENABLED_HINT = "A disabled plugin is not loaded. Takes effect at the next start."
ENABLED_OURS = "Built-in plugins are part of TumorDiff and stay on."
WILL_BE_ON = "{name} is loaded again at the next start"
WILL_BE_OFF = "{name} is no longer loaded from the next start on"
NEXT_START = "Takes effect at the next start."
ELSEWHERE = "The environment sets which plugins are disabled, so the settings cannot; unset {name} and start again."

OFFERS = "What it offers"
NO_OFFERS = "Nothing is offered while it is not loaded."
NO_OFFERS_ON = "It registers nothing that is listed here; it may still check exports or follow jobs."
KINDS = {
    "register_modules": "Modules of the window", "register_tasks": "Kinds of jobs",
    "register_exporters": "Kinds of export", "register_denoisers": "Denoisers", "register_networks": "Networks",
    "register_collections": "Collections", "register_readers": "File formats", "register_services": "Warm children",
}  # fmt: skip
FAILURE = "Why it failed"
TRACEBACK = "Traceback"
NO_TRACEBACK = "There is no traceback: nothing was raised."
COPY = "Copy"
COPIED = "The failure was copied"

TEMPLATE = "Write your own plugin"
TEMPLATE_HINT = (
    "A plugin is a Python package with one entry point in the group “tumordiff”. This one adds a module to the window; "
    "tasks, exporters, readers and networks come through the same door."
)
TEMPLATE_WRITE = "Write this template to a folder…"
TEMPLATE_CHOOSE = "Choose an empty place for the template"
TEMPLATE_WRITTEN = "Written: {folder}"
TEMPLATE_INSTALL = 'Install it with:   pip install -e "{folder}"   and start TumorDiff again.'
TEMPLATE_NAME = "tumordiff-hello"
