"""Whether a person has to be asked about a host key, before a program takes the terminal that could ask."""

from remote_code.ssh.host_keys import KnownHosts, Place
from remote_code.ssh.options import Options, resolve_jump


def knows_all_hosts(options: Options) -> bool:
    """Tell whether every hop to the target has a line in its known_hosts files, or a setting that asks nobody.

    Looks at files only; whether the key is the right one is for the connection to find out.
    """
    hop: Options | None = options
    while hop is not None:
        if hop.host_keys.checking == "ask" and not _is_known(hop):
            return False
        hop = resolve_jump(hop) if hop.network.proxy_jump is not None else None
    return True


def _is_known(options: Options) -> bool:
    keys = options.host_keys
    place = Place.of(options.host_name, options.port, keys.alias)
    known = KnownHosts(place, [*keys.user_files, *keys.global_files])
    return bool(known.key_types or known.authorities) or (keys.skip_on_localhost and place.is_localhost)
