"""Cedar's policy text: characters to tokens, tokens to expressions and policies, and back to text.

Read in this order: `lexer`, `strings`, `cursor`, `entity_uids`, `expressions`, `policies`, `printer`; then, for policy
text that keeps its comments, `comments`, `layout`, `expression_layout`, `formatter`. The rules come from the language
reference's grammar ("Cedar policy grammar") and, where it is silent, from what the Rust engine accepts; the tests hold
the two together.
"""
