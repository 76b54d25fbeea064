"""DokuWiki, a real PHP application, from Debian's package in a folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rigs.child import Child
from tests.rigs.shop import start_php

PACKAGE = Path("/usr/share/dokuwiki")
SETTINGS = Path("/etc/dokuwiki")
ACCOUNT = ("grace", "hopper-1906")
START_PAGE = """====== Welcome ======

A wiki behind a proxy. Ümläuts, "quotes" & <angles>.

  * [[syntax]]
  * [[playground:playground]]
"""


def install_dokuwiki(folder: Path) -> Path:
    """Copy the package into a folder, with one account and one page. Returns the document root."""
    if not (PACKAGE / "doku.php").is_file():
        pytest.fail("DokuWiki is missing: .ci/install-system test")
    root, settings, data = folder / "wiki", folder / "conf", folder / "data"
    shutil.copytree(PACKAGE, root)
    # The accounts of the machine's own wiki are closed to us, and not wanted.
    shutil.copytree(
        SETTINGS, settings, ignore=shutil.ignore_patterns("acl.auth.php", "users.auth.php")
    )
    for name in (
        *("attic", "cache", "index", "locks", "log", "media", "media_attic", "media_meta"),
        *("meta", "pages", "tmp"),
    ):
        (data / name).mkdir(parents=True)
    (data / "pages" / "start.txt").write_text(START_PAGE)
    preload = root / "inc" / "preload.php"
    preload.write_text(preload.read_text().replace("'/etc/dokuwiki/'", f"'{settings}/'"))
    (settings / "local.php").write_text(
        "<?php\n"
        "$conf['title'] = 'Wiki';\n"
        f"$conf['savedir'] = '{data}';\n"
        "$conf['useacl'] = 1;\n"
        "$conf['superuser'] = '@admin';\n"
        # The packaged release is older than PHP 8.2's newest deprecations.
        "error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING);\n"
    )
    name, password = ACCOUNT
    hashed = subprocess.run(
        ["php", "-r", "echo password_hash($argv[1], PASSWORD_BCRYPT);", password],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (settings / "users.auth.php").write_text(
        f"{name}:{hashed}:Grace Hopper:grace@example.com:admin,user\n"
    )
    (settings / "acl.auth.php").write_text("*\t@ALL\t1\n*\t@user\t8\n")
    return root


def start_dokuwiki(folder: Path, port: int) -> Child:
    """Serve it with PHP's own server."""
    return start_php(install_dokuwiki(folder), None, port, folder / "wiki.log", {})
