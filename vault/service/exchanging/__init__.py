"""Trading superseded codes for their successors."""
