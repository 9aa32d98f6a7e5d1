"""The exit codes of every verb."""

from typing import Final

OK: Final = 0
"""Allowed; all cases passed; served until told to stop."""

DENIED: Final = 1
"""Denied; a case failed; what was looked at is not as it should be."""

FAULT: Final = 2
"""There is no answer: wrong usage, a file at fault, no connection, a defect."""

UNDECIDED: Final = 3
"""Allowed or denied, depending on what is not known."""

DECISION_EPILOG: Final = "Exit codes: 0 allowed, 1 denied, 2 no answer (usage, a file at fault, no connection)."
"""For the verbs that decide."""

TEST_EPILOG: Final = (
    "Exit codes: 0 every case passed, 1 a case failed or too little is covered, 2 nothing was tested (usage, a file at "
    "fault)."
)
"""For the verb that tests."""

SERVE_EPILOG: Final = "Exit codes: 0 stopped by SIGTERM or SIGINT, 2 not started (usage, a file at fault, no address)."
"""For the verb that serves."""

CONFORMANCE_EPILOG: Final = "Exit codes: 0 all answers agree, 1 some do not, 2 no answer (usage, a file at fault)."
"""For the verb that runs the official tests."""

VALIDATE_EPILOG: Final = (
    "Exit codes: 0 nothing wrong, 1 something wrong, 2 nothing was checked (usage, a file at fault)."
)
"""For the verb that validates."""

FMT_EPILOG: Final = "Exit codes: 0 done, 1 with --check: a file would change, 2 a file at fault, or wrong usage."
"""For the verb that formats."""

TRANSLATE_EPILOG: Final = "Exit codes: 0 translated, 2 not translated (usage, a file at fault)."
"""For the verb that translates."""

BUILD_EPILOG: Final = (
    "Exit codes: 0 built, 2 not built (usage, a file at fault); with --check: 0 the same, 1 another one."
)
"""For the verb that builds."""

PARTIAL_EPILOG: Final = (
    "Exit codes: 0 certainly allowed, 1 certainly denied, 3 undecided, 2 no answer (usage, a file at fault)."
)
"""For the verb that decides questions of which a part is not known."""
