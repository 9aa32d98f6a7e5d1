"""Facts: entities, posture and grants, under one revision."""
