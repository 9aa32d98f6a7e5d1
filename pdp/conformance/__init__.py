"""Conformance: the official integration tests of Cedar, asked of this implementation in every form that it has.

Read in this order: `files` (a folder or an archive), `cases` (what a case says), `running` (what becomes of it),
`tally` (the sum), `pool` (several processes). Upstream: `cedar-integration-tests`, run by `cedar-testing`.
"""
