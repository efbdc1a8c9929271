"""Where a figure comes from: the versions and the commit that it was made with."""

import contextlib
import subprocess
import tomllib
from importlib.metadata import version

from experiments.common.files import HERE

PACKAGES = ("jax", "jaxlib", "optax", "numpy")
_CODE = ("lstm_jax", "experiments/*.py", "pyproject.toml")  # the * goes through folders


def versions() -> dict[str, str]:
    """Ours, which is the checkout's, and those of the packages that compute."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    return {"lstm_jax": project["version"], **{name: version(name) for name in PACKAGES}}


def commit() -> str | None:
    """The commit of this checkout, with a + if its code was changed since; None without git."""

    def git(*words: str) -> subprocess.CompletedProcess:
        command = ["git", "-C", str(HERE.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with contextlib.suppress(OSError):
        head = git("rev-parse", "--short=12", "HEAD")
        if head.returncode == 0:
            changed = git("diff", "--quiet", "HEAD", "--", *_CODE).returncode
            return head.stdout.strip() + "+" * bool(changed)
    return None
