"""The pure-Python twins of the compiled kernels, under the same names."""

from remote_code._fast.binary_py import is_binary
from remote_code._fast.bom_py import join_bom, split_bom
from remote_code._fast.diff_py import greedy_edits
from remote_code._fast.matcher_py import candidates, locate, places, replace

__all__ = ["candidates", "greedy_edits", "is_binary", "join_bom", "locate", "places", "replace", "split_bom"]
