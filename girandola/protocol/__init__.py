"""What is said: commands and one codec per generation and encoding."""
