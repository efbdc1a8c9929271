"""Array operations without ideas about learning."""
