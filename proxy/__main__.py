"""`python -m proxy` is `figway serve`."""

from __future__ import annotations

import sys

from proxy.cli.main import main

sys.exit(main(["serve", *sys.argv[1:]]))
