"""Word lists that read as lines of words."""


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())
