# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests that run gst-launch-1.0 share.  Sourced with $1 the build's root; sets build, source,
# scratch (a new directory, removed at the end, and the current one), and the environment in which
# GStreamer finds the built plugin and nothing of the user's; count of tests and failed are 0 at first.
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
. "$source/scripts/common.sh"
plugin=$build/gst/libgstsana.so

if grep -q __tsan_init "$plugin"; then
    echo "1..0 # SKIP gst-launch-1.0 itself is not built with ThreadSanitizer"
    exit 0
fi
# meson's; a user's malloc does not fill what it gives
unset MALLOC_PERTURB_
unset SANA_MODEL_PATH SANA_MODULE_PATH LOOK PROMPT_FILE STRENGTH SIZE SOURCE SINK SOUND SERVER CAMERA HOST SOCKET
# but for where the system's plugins and their scanner are
# shellcheck disable=SC2046 # names
unset $(env | sed -n 's/^\(GST_[A-Za-z0-9_]*\)=.*/\1/p' | grep -v '^GST_PLUGIN_S')
temporary
plugins_from "$build/gst" "$scratch/registry"
export GST_DEBUG_NO_COLOR=1
export MODEL="$source/models/demo"
cd "$scratch" || exit 1

if grep -q __asan_init "$plugin"; then
    # GStreamer's programs need the sanitizer before the plugin brings it; what they and system
    # libraries leak is not the question here
    mkdir bin
    for program in gst-launch-1.0 gst-inspect-1.0; do
        printf '#!/bin/sh\nLD_PRELOAD="%s" ASAN_OPTIONS=%s:detect_leaks=0 exec %s "$@"\n' \
            "$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so.6)" "${ASAN_OPTIONS-}" "$(command -v $program)" \
            >bin/$program
        chmod +x bin/$program
    done
    PATH="$scratch/bin:$PATH"
fi

if ! gst-inspect-1.0 sanaimg2img >log 2>&1; then
    echo "Bail out! GStreamer does not load $plugin"
    sed 's/^/# /' log
    exit 1
fi

count=0
failed=0

# ok NAME COMMAND...: the command succeeds
ok() {
    count=$((count + 1))
    name=$1
    shift
    if "$@" >log 2>&1; then
        echo "ok $count $name"
    else
        echo "not ok $count $name"
        tail -n 20 log | sed 's/^/# /'
        failed=1
    fi
}
