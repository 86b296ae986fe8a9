# shellcheck shell=sh disable=SC2154,SC2162
# A standby shell reads lines of script, then a line with the token; cut before it, nothing is run.
#   TOKEN    its one command: the shell ends with it
#   TOKEN +  searches, after which it serves on

_rc_j=
while IFS= read -r _rc_l; do
  case $_rc_l in
    "$_rc_t") eval "$_rc_j"
      exit;;
    "$_rc_t +") eval "$_rc_j"
      _rc_j=;;
    *) _rc_j=$_rc_j$_rc_l${IFS#??};;
  esac
done
