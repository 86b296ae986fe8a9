"""`make demo`: a real OpenCode, with a scripted model, works on a machine that it can only SSH to."""
