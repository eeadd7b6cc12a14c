"""A made-up service of a warm child, for tests."""

import os
import time
from typing import Any

from tumordiff_core.errors import InputError
from tumordiff_core.plugins.hookspecs import hookimpl
from tumordiff_core.plugins.specs import Service

total = 0


@hookimpl
def register_services() -> list[Service]:
    """One service."""
    return [Service("made-up", "tests.core.jobs.services:handle")]


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Add up, talk, or go wrong in one of four ways."""
    global total
    match request["op"]:
        case "add":
            total += int(request["value"])
        case "talk":
            print("chatter")
        case "sentence":
            raise InputError("volume.constant", value=3)
        case "bug":
            raise ZeroDivisionError
        case "die":
            os._exit(9)
        case "silent":
            time.sleep(60)
    return {"sum": total}
