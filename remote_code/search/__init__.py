"""glob and grep on the remote: build the command, parse the output."""
