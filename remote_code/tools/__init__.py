"""The seven tools, one file each; they know neither each other nor the wire."""
