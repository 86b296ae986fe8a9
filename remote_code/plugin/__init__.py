"""Package data: the plugin for OpenCode (index.js and its parts), the badge (tui.tsx) and the tools' schemas (tools.json)."""
