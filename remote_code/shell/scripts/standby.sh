# shellcheck shell=sh disable=SC2154,SC2162
# A standby shell serves one job: lines of script up to the line that holds the token. Cut before it, nothing is run.

_rc_j=
while IFS= read -r _rc_l; do
  case $_rc_l in "$_rc_t") eval "$_rc_j"
    exit;;
  esac
  _rc_j=$_rc_j$_rc_l${IFS#??}
done
