"""How states stand in the database."""

from dataclasses import replace

import pytest

from remote_code.mirror.schema import VERSION, UnreadableState, decode_state, encode_state
from remote_code.paths import RemotePath
from remote_code.remote.state import Absent, FileState, Present

STATE = Present(RemotePath("/srv/\udcb2"), "81a4 4 1 0 0 7 1 1.0|1.0", "d", 4, 0o644, 1, 0, 0, 7, 10**18)
WRITTEN_BY_1 = (
    '{"real_path":"/srv/\\udcb2","stamp":"81a4 4 1 0 0 7 1 1.0|1.0","digest":"d","size_bytes":4,"mode":420,"n_links":1,'
    '"uid":0,"gid":0,"inode":7,"mtime_ns":1000000000000000000}'
)


@pytest.mark.parametrize("state", [Absent(), STATE, replace(STATE, digest=None, is_settled=True)], ids=str)
def test_a_state_comes_back_as_it_was(state: FileState) -> None:
    assert decode_state(encode_state(state)) == state


def test_states_of_this_version_can_be_read_by_every_engine_of_it() -> None:
    """When this fails, the fields of Present have changed: raise VERSION."""
    assert (VERSION, decode_state(WRITTEN_BY_1)) == (1, STATE)


@pytest.mark.parametrize("text", ["{}", '{"shape":"other"}', "[", "1"])
def test_a_text_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(UnreadableState):
        decode_state(text)
