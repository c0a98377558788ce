"""Who may do what, one file an event; each reads like a list of decisions."""
