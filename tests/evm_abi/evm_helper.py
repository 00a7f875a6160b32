"""Where the small C programs of this folder and the data from outside are; a test without them skips and says so."""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data"))


def program(name):
    """One of CMakeLists.txt, in $EVM_HELPERS or the build that $PLUMB is of."""
    plumb = Path(os.environ.get("PLUMB", ROOT / "build" / "plumb")).resolve()
    folder = Path(os.environ.get("EVM_HELPERS", plumb.parent.parent / "tests" / "evm_abi"))
    path = folder / name
    if not os.access(path, os.X_OK):
        pytest.skip(f"no program {path}: build it, or set EVM_HELPERS to its folder")
    return str(path)


def data(*parts):
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no data at {path}")
    return path
