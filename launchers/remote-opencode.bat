@echo off
rem Starts OpenCode; its agent works on the machine that is named here. Arguments go on to OpenCode.

rem ---- User Configuration ---------------------------------------------------------------------------------
rem Take the "rem" away and fill in; a percent sign is written twice. What is not set here comes from the environment.
rem One ssh command, as you would type it:
rem set "REMOTE_SSH=ssh user@host"
rem Absolute directory on that machine, or ~/something; its home when unset:
rem set "REMOTE_WORKDIR=/srv/app"
rem Better in the environment than in a file:
rem set "REMOTE_PASSWORD="
rem set "REMOTE_SUDO_PASSWORD="
rem ---- End of User Configuration --------------------------------------------------------------------------

remote-code launch %*
