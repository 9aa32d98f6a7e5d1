"""The exit codes of every verb."""

from typing import Final

OK: Final = 0
"""Allowed; all cases passed; served until told to stop."""

DENIED: Final = 1
"""Denied; a case failed."""

FAULT: Final = 2
"""There is no answer: wrong usage, a file at fault, no connection, a defect."""

DECISION_EPILOG: Final = "Exit codes: 0 allowed, 1 denied, 2 no answer (usage, a file at fault, no connection)."
"""For the verbs that decide."""

TEST_EPILOG: Final = "Exit codes: 0 every case passed, 1 a case failed, 2 nothing was tested (usage, a file at fault)."
"""For the verb that tests."""

SERVE_EPILOG: Final = "Exit codes: 0 stopped by SIGTERM or SIGINT, 2 not started (usage, a file at fault, no address)."
"""For the verb that serves."""
