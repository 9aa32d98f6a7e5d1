"""The strict validator: what may go wrong with a policy, said before it decides anything (`Cedar/Validation/`).

Read in this order: `types`, `environment`, `findings`, `literals`, `typecheck`, `levels`, `validator`.
"""
