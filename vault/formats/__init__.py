"""Byte formats that outlive a release: what is stored, and what packages hold."""
