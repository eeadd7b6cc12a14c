"""How much a process that opens untrusted files may take, where the system can limit it."""

import os

try:
    import resource
except ImportError:  # Windows has no such limits; the time limit of who asks still holds.
    resource = None  # type: ignore[assignment]

_inside: list[int] = []


def limit_memory(most_bytes: int) -> None:
    """Limit the address space of this process to ``most_bytes``; from now on it counts as ``confined``."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    _inside[:] = [os.getpid()]


def confined() -> bool:
    """Whether this very process was limited, and may run foreign decoders itself."""
    return _inside == [os.getpid()]
