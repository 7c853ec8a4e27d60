"""What leaked: choosing it, stopping it, measuring it."""
