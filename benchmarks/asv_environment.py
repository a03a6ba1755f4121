"""Lets an environment of asv use the libraries of the one that this project is installed in, without copying them.

asv calls it with the interpreter of its environment, before it installs a commit of this project there.
"""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".venv" / "bin" / "python"


def main() -> int:
    """Write the folders of libraries into a path file; 1 if there is no environment to take them from."""
    if not HOME.exists():
        print(f"{HOME} is not there; install the project first: make .venv/installed", file=sys.stderr)
        return 1
    asked = [str(HOME), "-c", "import json, sys; print(json.dumps([sys.version_info[:2], sys.path]))"]
    version, paths = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True, cwd="/").stdout)
    if tuple(version) != sys.version_info[:2]:
        print(f"{HOME} is Python {version[0]}.{version[1]}, asv's {sys.version.split()[0]}", file=sys.stderr)
        return 1
    # Neither the standard library nor this checkout, and no path files of theirs: what is measured is the commit.
    libraries = [path for path in paths if Path(path).is_dir() and not (Path(path) / "os.py").exists()]
    libraries = [path for path in libraries if "lib-dynload" not in path and Path(path) != ROOT]
    target = Path(sysconfig.get_paths()["purelib"]) / "borrowed.pth"
    target.write_text("".join(f"{path}\n" for path in libraries), encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
