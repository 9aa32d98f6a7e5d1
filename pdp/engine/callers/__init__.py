"""Who may ask: policies about callers, built in (`builtin.cedar`, for `schema.cedarschema`) and an operator's own.

They are Cedar policies like those that callers ask about, evaluated by the same engine, and apart from them: a team
that writes policies cannot let anybody in, and a caller is judged when nothing else has been loaded yet.
"""
