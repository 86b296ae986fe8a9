"""How work is done over a channel: jobs, workers, pools; knows a connection by its Protocol only."""
