#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The style that machines keep: gst/ as GStreamer's gst-indent writes it, all else by .clang-format.
# Speaks TAP; usage: check_format.sh SOURCE_ROOT
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1

echo "1..2"
bad=0

# the version that Debian 12 and Ubuntu 24.04 both have; others differ in small things
if command -v clang-format-14 >/dev/null; then
    if found=$(find pipelines engine kernels tools tests examples -type f \
        \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.cu' \) ! -name sana.h \
        -exec clang-format-14 --dry-run -Werror {} + 2>&1); then
        echo "ok 1 .clang-format below gst/"
    else
        echo "not ok 1 .clang-format below gst/: clang-format-14 -i mends it"
        printf '%s\n' "$found" | grep error: | sed 's/^/# /'
        bad=1
    fi
else
    echo "ok 1 .clang-format below gst/ # SKIP clang-format-14 is not installed"
fi

if found=$(scripts/gst-indent --check 2>&1); then
    echo "ok 2 GStreamer's style in gst/"
elif [ $? = 2 ]; then
    echo "ok 2 GStreamer's style in gst/ # SKIP GNU indent is not installed"
else
    echo "not ok 2 GStreamer's style in gst/: scripts/gst-indent mends it"
    printf '%s\n' "$found" | sed 's/^/# /'
    bad=1
fi
exit $bad
