"""`python -m p2preg`: the command line."""

from p2preg.cli import main

raise SystemExit(main())
