"""Looking after a whole vault: making one, verifying, moving and restoring it."""
