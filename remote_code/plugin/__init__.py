"""Package data: the plugin for OpenCode (index.js and its parts), the badge (tui.tsx), the tools' schemas (tools.json)."""
