"""One module a skill, found by listing: each has a `SKILL` (see `appliance.assistant.skill`). None knows another."""
