# shellcheck shell=bash
# The list of cells.  Every file in cells/ registers its own:
#
#   cell NAME SET SECONDS FUNCTION [ARGUMENT...]
#
# SET is `check` (part of ./check), `full` or `slow`; after SECONDS the cell is ended and has failed.
#
#   waits NAME...
#
# These wait for timers and need hardly any processor: they run beside those that do.

CELLS=() WAITING=" "
cell() { CELLS+=("$*"); }
waits() { WAITING+="$* "; }
is_waiting() { [[ $WAITING == *" $1 "* ]]; }

for file in "$LAB"/cells/*.sh; do
    # shellcheck source=/dev/null
    source "$file"
done

# All cells share their names: the second function of a name would stand in for the first.
twice=$(grep -hoE '^[a-z0-9_]+\(\)' "$LAB"/cells/*.sh "$LAB"/lib/*.sh | sort | uniq -d | paste -sd ' ')
[[ -z $twice ]] || { echo "lab: defined in two places: $twice" >&2; exit 2; }

# find_cell NAME: sets CELL_SET, CELL_LIMIT and CELL_CALL
find_cell() {
    local entry name
    for entry in "${CELLS[@]}"; do
        read -r name CELL_SET CELL_LIMIT CELL_CALL <<<"$entry"
        [[ $name != "$1" ]] || return 0
    done
    return 1
}

# cell_names SET...: the names of these sets, in their order
cell_names() {
    local entry name set
    for entry in "${CELLS[@]}"; do
        read -r name set _ <<<"$entry"
        [[ " $* " != *" $set "* ]] || echo "$name"
    done
}
