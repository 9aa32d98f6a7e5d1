"""The compiler: conditions folded, lowered to Python code objects, linked to constants, and indexed by scope."""
