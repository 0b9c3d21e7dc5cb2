"""`make audit`: known vulnerabilities of what is installed, by pip-audit, where a database of them can be reached."""

import json
import subprocess
import sys
from typing import Any

_COMMAND = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json", "--local"]


def verdict(out: str, errors: str) -> tuple[int, str]:
    """The exit status and the words for what pip-audit gave.

    >>> verdict('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "")
    (0, '1 packages checked, and no vulnerability is known')
    """
    try:
        packages: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        return 0, f"nothing was checked: pip-audit reached no database of vulnerabilities ({last})"
    checked = [package for package in packages if "vulns" in package]
    if not checked:
        return (
            0,
            f"nothing was checked: no database knows any of the {len(packages)} packages, or none is reached",
        )
    found = [
        f"{package['name']} {package['version']}: {', '.join(v['id'] for v in package['vulns'])}"
        for package in checked
        if package["vulns"]
    ]
    skipped = len(packages) - len(checked)
    rest = f"; {skipped} are in no database" if skipped else ""
    if found:
        return 1, "\n".join(
            [f"{len(found)} of {len(checked)} packages have known vulnerabilities{rest}:", *found]
        )
    return 0, f"{len(checked)} packages checked, and no vulnerability is known{rest}"


def main() -> None:
    done = subprocess.run(_COMMAND, capture_output=True, text=True, check=False)
    code, words = verdict(done.stdout, done.stderr)
    print(words)
    sys.exit(code)


if __name__ == "__main__":
    main()
