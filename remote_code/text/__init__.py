"""What happens to file contents: pure functions on bytes and text."""
