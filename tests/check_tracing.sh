#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Rows 31 and 45 of docs/elements-checklist.md, and leaks: the elements under GStreamer's own tracers,
# with the bundled model.  Speaks TAP.
# usage: check_tracing.sh BUILD_ROOT
set -u
. "$(dirname "$0")/launch_env.sh"

# report OK NAME
report() {
    count=$((count + 1))
    if [ "$1" = yes ]; then
        echo "ok $count $2"
    else
        echo "not ok $count $2"
        tail -n 20 log | cut -c1-300 | sed 's/^/# /'
    fi
}

# yes if the condition holds: check NAME CONDITION...
check() {
    name=$1
    shift
    if "$@"; then report yes "$name"; else report no "$name"; fi
}

frames=6
size="video/x-raw,width=64,height=64,framerate=25/1"
filter="videotestsrc num-buffers=$frames ! $size ! sanaimg2img name=e ! fakesink sync=false"
source="sanasrc name=e num-buffers=$frames ! $size ! fakesink sync=false"

# traced TRACERS LINE: its log, of the tracers alone
traced() {
    # shellcheck disable=SC2086
    GST_TRACERS="$1" GST_DEBUG=GST_TRACER:7 timeout -k 5 60 gst-launch-1.0 -q $2 </dev/null >log 2>&1
}

alive='TRACE .*object-alive, type-name='

# without_leaks LINE: it runs to its end, and nothing is alive after it
without_leaks() {
    traced leaks "$1" && ! counted "$alive" 1
}

# sees_what_is_alive LINE: asked while it runs, the tracer names its elements, in the words that
# without_leaks looks for
sees_what_is_alive() {
    # shellcheck disable=SC2086
    GST_LEAKS_TRACER_SIG=1 GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 \
        gst-launch-1.0 $1 </dev/null >log 2>&1 &
    launch=$!
    for _ in $(seq 100); do
        sleep 0.1
        ! grep -q PLAYING log || kill -USR1 $launch
        ! counted "$alive" 1 || break
    done
    kill $launch
    wait $launch
    counted "$alive" 1
}

# counted PATTERN LEAST: at least so many lines of the log
counted() {
    [ "$(grep -cE "$1" log)" -ge "$2" ]
}

traced "latency(flags=pipeline+element)" "$filter"
check "31 the latency tracer measures every frame of sanaimg2img" \
    counted 'element-latency, .*element=\(string\)e[,;]' $frames
check "31 the latency tracer measures every frame of its pipeline" \
    counted '[^-]latency, src-element-id' $frames
traced "latency(flags=pipeline+element)" "$source"
check "31 the latency tracer measures every frame of sanasrc's pipeline" \
    counted '[^-]latency, src-element-id' $frames

check "the leaks tracer sees what is alive" sees_what_is_alive \
    "videotestsrc is-live=true num-buffers=500 ! $size ! fakesink"
for line in "$filter" "$source"; do
    name=$(printf '%s\n' "$line" | grep -o 'sana[a-z0-9]* name' | cut -d' ' -f1)
    check "$name leaks nothing" without_leaks "$line"
done

# Libraries have their say in a debug category or not at all.
quiet() {
    # shellcheck disable=SC2086
    timeout -k 5 60 gst-launch-1.0 -q $1 </dev/null >log 2>&1 && [ ! -s log ]
}
check "45 sanaimg2img prints nothing" quiet "$filter"
check "45 sanasrc prints nothing" quiet "$source"

# categories CATEGORY...: each says something at its level
for category in sana sanaworker sanaimg2img; do
    # shellcheck disable=SC2086
    GST_DEBUG=$category:6 timeout -k 5 60 gst-launch-1.0 -q $filter </dev/null >log 2>&1
    check "45 the category $category tells of its concern" counted " $category " 1
done
echo "1..$count"
