#!/bin/sh
# Starts OpenCode; its agent works on the machine that is named here. Arguments go on to OpenCode.

# ---- User Configuration ---------------------------------------------------------------------------------
# Take the "#" away and fill in. What is not set here comes from the environment.
# One ssh command, as you would type it:
#export REMOTE_SSH='ssh user@host'
# Absolute directory on that machine, or ~/something; its home when unset:
#export REMOTE_WORKDIR='/srv/app'
# Better in the environment than in a file:
#export REMOTE_PASSWORD=''
#export REMOTE_SUDO_PASSWORD=''
# ---- End of User Configuration --------------------------------------------------------------------------

exec remote-code launch "$@"
