"""Cedar schemas: which entities and actions exist, what they hold, and which requests make sense.

Read in this order: `syntax` (what is written), `text` and `json_form` (who reads it), `scope` and `resolve` (what names
mean), `types` and `model` (what comes out), `conform`, `typing` and `reading` (what it is used for). `printer` and
`json_writer` are the way back. The rules come from the language reference ("Schema") and, where it is silent, from
what the Rust engine accepts; the tests hold the two together.
"""
