"""Time in words."""


def duration(seconds: float) -> str:
    """Seconds as a person writes them: `45 s`, `12 min`, `3.1 h`.

    Example:
      >>> duration(45), duration(720), duration(11_160)
      ('45 s', '12 min', '3.1 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
