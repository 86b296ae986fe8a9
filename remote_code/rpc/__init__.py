"""JSON-RPC 2.0 over lines; knows neither SSH nor tools."""
