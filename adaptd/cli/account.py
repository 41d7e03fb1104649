"""Who acts at the command line."""

import os
import pwd


def account() -> str:
    """The account that the process runs as, not what the environment claims: user:NAME."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:uid-{os.getuid()}"
