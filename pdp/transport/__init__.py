"""The doors: each turns its own form of question into a `CheckRequest` and the verdict into its own form of answer.
Nothing is decided here, and nothing is defaulted in a way that widens access.
"""
