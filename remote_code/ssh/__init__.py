"""How to reach a machine: target, options, host keys, authentication, connection; the only room with paramiko."""
