"""The Cedar language: values, expressions, policies, entities, schemas. Pure: no I/O, no clock, no log."""
