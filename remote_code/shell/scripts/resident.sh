# shellcheck shell=sh disable=SC2154,SC2086
# A resident shell serves job after job of our own scripts. Each is lines of script, then a line with the token:
#   TOKEN      evaluated in this very shell, without an answer (the library)
#   TOKEN END  run in a subshell; both streams end with END, standard output with its exit status behind it
# The input stays open as descriptor 3, for payloads that follow a job in the same flight.

# _rc_b BYTES: run a block of script that follows its job, with the token behind it; one that was cut is never run.
_rc_b() {
  _rc_j=$(_rc_x $1 <&3)
  case $_rc_j in *"$_rc_t") eval "${_rc_j%"$_rc_t"}";; *) exit 126;; esac
}
