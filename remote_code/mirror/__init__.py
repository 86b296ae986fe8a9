"""Local copies of remote files: state, manifest, sync, conflict rules, history."""
