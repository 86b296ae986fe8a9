"""What a remote machine can do: the probe and the file operations."""
