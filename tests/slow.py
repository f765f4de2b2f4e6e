"""Whether campaigns run in full, which takes hours; otherwise a spread of each."""

import os

SLOW = os.environ.get("ALVH_SLOW_TESTS") == "1"
