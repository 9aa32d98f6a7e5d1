"""The command line: one file per verb, each of which parses arguments, calls, and prints.

What is slow to import (gRPC, HTTP, cryptography) is imported inside the verb that needs it.
"""
