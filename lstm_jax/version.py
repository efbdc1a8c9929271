"""Which release of the library this is."""

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("lstm_jax")
    except PackageNotFoundError:  # a source tree that was never installed
        return "unknown"


__version__ = _installed()
