"""Package data for OpenCode: the plugin (index.js and its parts), the badge (tui.tsx), the schemas (tools.json)."""
