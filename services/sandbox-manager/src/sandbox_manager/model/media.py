"""What a file is, by its first bytes: what the agent named it proves nothing."""

IMAGES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"

_WEBP = slice(8, 12)


def media_type(content: bytes) -> str:
    """An image of a form that browsers show safely, text, or unknown bytes. SVG is text: it can
    carry scripts.
    """
    for start, kind in IMAGES:
        if content.startswith(start):
            return kind
    if content.startswith(b"RIFF") and content[_WEBP] == b"WEBP":
        return "image/webp"
    return TEXT if _is_text(content) else BINARY


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
