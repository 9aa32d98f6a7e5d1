"""Cedar's JSON formats: values, records, entities, policies."""
