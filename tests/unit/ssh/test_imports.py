"""paramiko takes a third of a second to import; nothing that is needed before connecting may pull it in."""

import subprocess
import sys

PROGRAM = """
import sys
import remote_code.ssh.target, remote_code.ssh.options, remote_code.ssh.render, remote_code.ssh.link
import remote_code.ssh.connection, remote_code.ssh.secrets, remote_code.ssh.askpass, remote_code.ssh.host_keys
from remote_code.ssh.options import resolve
resolve(remote_code.ssh.target.parse_command("ssh -F none host"))
print([name for name in ("paramiko", "cryptography.hazmat.bindings", "nacl", "bcrypt") if name in sys.modules])
"""


def test_resolving_options_imports_no_paramiko() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
