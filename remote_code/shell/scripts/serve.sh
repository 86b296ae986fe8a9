# shellcheck shell=sh disable=SC2154
# The loop of a resident shell; see resident.sh.

exec 3<&0
_rc_j=
while IFS= read -r _rc_l; do
  case $_rc_l in
    "$_rc_t") eval "$_rc_j" </dev/null
      _rc_j=;;
    "$_rc_t "*) ( eval "$_rc_j" ) </dev/null
      _rc_s=$?
      _rc_l=${_rc_l#* }
      echo "$_rc_l" >&2
      echo "$_rc_l $_rc_s"
      _rc_j=;;
    *) _rc_j=$_rc_j$_rc_l${IFS#??};;
  esac
done
