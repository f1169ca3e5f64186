# SPDX-License-Identifier: LGPL-2.1-or-later
# quote TEXT: as gst-launch-1.0 reads it, whatever is in it, also nothing; but for a backslash at its
# end, which that takes with the mark behind it.
quote() {
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}
