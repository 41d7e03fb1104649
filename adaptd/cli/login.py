"""Who gives a command."""

import os
import pwd


def login() -> str:
    """The account that the process runs as, not what the environment claims."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"
