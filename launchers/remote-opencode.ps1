# Starts OpenCode; its agent works on the machine that is named here. Arguments go on to OpenCode.
$ErrorActionPreference = 'Stop' # A `remote-code` that is missing is a failure.

# ---- User Configuration ---------------------------------------------------------------------------------
# Take the "#" away and fill in. What is not set here comes from the environment.
# One ssh command, as you would type it:
#$env:REMOTE_SSH = 'ssh user@host'
# Absolute directory on that machine, or ~/something; its home when unset:
#$env:REMOTE_WORKDIR = '/srv/app'
# Better in the environment than in a file:
#$env:REMOTE_PASSWORD = ''
#$env:REMOTE_SUDO_PASSWORD = ''
# ---- End of User Configuration --------------------------------------------------------------------------

& remote-code launch @args
exit $LASTEXITCODE
