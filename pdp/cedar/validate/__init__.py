"""The strict validator: what may go wrong with a policy, said before it decides anything (`Cedar/Validation/`).

Read in this order: `types`, `hierarchy`, `environment` (for which requests), `findings` (what is said), `names`,
`capabilities`, `typecheck` and the rules that it applies (`expected`, `relations`, `attributes`, `calls`), `levels`,
`confusables`, `validator`.
"""
