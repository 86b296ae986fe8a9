"""What belongs to OpenCode alone: install, launch, session folder, rewriting of prompts and messages."""
