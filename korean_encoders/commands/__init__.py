"""The commands: flags, and one call of what they are for."""
