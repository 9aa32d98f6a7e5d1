"""The AuthZEN Authorization API 1.0 over HTTP (OpenID AuthZEN working group, final text of 2026).

Read in this order: `form` (what a request looks like), `mapping` (AuthZEN's words in Cedar's), `speakers` (who may
speak for a subject), `answers` (a verdict in AuthZEN's form), `evaluation` and `search` (the endpoints), `metadata`.

Errors of a whole request are HTTP errors, with an error message in a JSON object; what is wrong with one evaluation of
several is that evaluation's `"decision": false`. A deny is 200, and so is an answer that could not be found.
"""
