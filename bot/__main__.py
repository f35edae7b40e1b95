"""`python -m bot` is the same as `prowex`."""

import sys

from bot.cli import main

sys.exit(main())
