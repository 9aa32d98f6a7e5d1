"""What policies mean: the operators, the interpreter (the oracle) and the decision over a set of policies."""
