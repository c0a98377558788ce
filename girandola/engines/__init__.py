"""Brokers and presence stores, one folder each; they do not know one another."""
