"""Which ids may become part of a subject."""

import re

_LAUNCH = re.compile(r"lau_[a-z0-9]{20}")
_SESSION = re.compile(r"ses_[a-z0-9]{20}")


def is_launch_id(text: str) -> bool:
    return _LAUNCH.fullmatch(text) is not None


def is_session_id(text: str) -> bool:
    return _SESSION.fullmatch(text) is not None
