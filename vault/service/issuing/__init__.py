"""Making cards and handing their codes out."""
