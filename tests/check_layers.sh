#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The house's rules that a search can prove: who includes whom, which words stand where, how long
# files and functions are.  Needs no build.  Speaks TAP; usage: check_layers.sh SOURCE_ROOT
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1
LC_ALL=C
export LC_ALL

sources=$(find gst pipelines engine kernels tools tests examples -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.cu' \))
libraries=$(printf '%s\n' "$sources" | grep -E '^(gst|pipelines|engine|kernels)/')
count=0
failed=0

# in_floor PATTERN: the library files whose path matches
in_floor() {
    printf '%s\n' "$libraries" | grep -E "$1"
}

# code FILE...: the lines without comments and string literals, as path:line:text
code() {
    awk '
        FNR == 1 { comment = 0 }
        {
            line = $0
            if (line !~ /^[ \t]*#[ \t]*include/)
                gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
            sub(/\/\/.*/, "", line)
            out = ""
            while (line != "") {
                if (comment) {
                    end = index(line, "*/")
                    if (!end) break
                    line = substr(line, end + 2)
                    comment = 0
                } else {
                    start = index(line, "/*")
                    if (!start) { out = out line; break }
                    out = out substr(line, 1, start - 1) " "
                    line = substr(line, start + 2)
                    comment = 1
                }
            }
            if (out ~ /[^ \t]/) print FILENAME ":" FNR ":" out
        }' "$@"
}

# none NAME FILES PATTERN: no line of code in FILES matches, and there are some
# shellcheck disable=SC2086 # FILES is a list
none() {
    if [ -n "$2" ]; then
        found=$(code $2 | grep -E "^[^:]*:[0-9]+:.*($3)")
    else
        found="there are no files to search"
    fi
    report "$1" "$found"
}

report() {
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count $1"
    else
        failed=$((failed + 1))
        echo "not ok $count $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# what is searched below by other means than none()
for place in '^gst/' '^pipelines/' '^engine/.*\.c$' '^kernels/' '^kernels/cuda/.*\.cu$'; do
    report "there are files to search in $place" "$([ -n "$(in_floor "$place")" ] || echo none)"
done

# --- arrows point down ---
include='#[ \t]*include[ \t]*["<]'
none "gst/ sees only pipelines/sana.h" "$(in_floor '^gst/')" \
    "$include(engine/|kernels/|cpu/|reference/|\.\./|pipelines/([^s]|s[^a]|sa[^n]|san[^a]|sana[^.]))"
none "pipelines/ does not see gst/" "$(in_floor '^pipelines/')" "$include(gst/|gstsana|\.\./)"
none "engine/ sees only kernels/" "$(in_floor '^engine/')" "$include(gst/|gstsana|pipelines/|\.\./)"
none "kernels/ sees no floor above it" "$(in_floor '^kernels/')" \
    "$include(gst/|gstsana|pipelines/|engine/|\.\./)"
none "engine/ and pipelines/ see the device, never its kind" "$(in_floor '^(engine|pipelines)/')" \
    "$include(kernels/(cpu|reference|cuda)/|oneapi/|cuda)"
none "the cpu and cuda devices do not see each other or the reference" \
    "$(in_floor '^kernels/(cpu|cuda)/')" "$include(kernels/)?reference(/|\.h)"
none "the reference sees no other device" "$(in_floor '^kernels/reference/')" \
    "$include(kernels/)?(cpu|cuda)(/|\.h)|$include(oneapi|omp)"
none "oneDNN is known to kernels/cpu/ only" \
    "$(in_floor '^(gst|pipelines|engine|kernels)/' | grep -v '^kernels/cpu/')" "dnnl"

# --- words stand where they belong ---
none "CUDA is named in kernels/cuda/ only" \
    "$(in_floor '^(gst|pipelines|engine|kernels)/' | grep -v '^kernels/cuda/')" \
    "<<<|cuda[A-Z]|cublas|cudnn"
none "gst/ knows no tensor" "$(in_floor '^gst/')" "Sp(Tensor|Device)|SpType|sp_[a-z]+ *\("
none "pipelines/, engine/ and kernels/ know no GStreamer" \
    "$(in_floor '^(pipelines|engine|kernels)/')" "Gst[A-Z]|gst_[a-z]|GST_[A-Z]"
names='(transformer_blocks|to_[qkv]\b|to_qkv|conv_depth|down_blocks|up_blocks|q_proj|embed_tokens'
names="$names|scale_shift_table|caption_projection|proj_in\\.|safetensors)"
found=$(in_floor '^kernels/' | xargs grep -nE "\"[^\"]*$names" /dev/null)
report "kernels/ knows no checkpoint name" "$found"
none "no library ends the process or prints" "$libraries" \
    "(^|[^a-zA-Z0-9_.>])(exit|_exit|abort|printf|vprintf|puts|putchar|perror|g_print|g_printerr|g_error|fprintf) *\("
none "no conditional compilation in the networks" "$(in_floor '^engine/.*\.c$')" "#[ \t]*if(def|ndef)?[ \t]"

# shellcheck disable=SC2046 # a list of files
found=$(code $(in_floor '^kernels/cuda/.*\.cu$') | awk -F: '
    { text = $0; sub(/^[^:]*:[0-9]*:/, "", text) }
    text ~ /__global__/ { kernel = $1 ":" $2 }
    begun && text !~ /^ *after_previous\(\);$/ { print begun }
    { begun = "" }
    kernel != "" && text == "{" { begun = kernel; kernel = "" }')
report "every CUDA kernel begins with after_previous()" "$found"

# --- form ---
places="gst pipelines engine kernels tools tests examples scripts models .ci meson.build meson_options.txt"
# shellcheck disable=SC2086 # a list
all=$(find $places -type f ! -path '*/golden/*' ! -path 'models/demo/*' ! -name '*.py[co]')
found=$(for f in $all; do
    case $f in
    examples/*.txt) ;;
    *.c | *.h | *.cc | *.cu | *.sh | *.py | *.build | meson_options.txt | scripts/* | examples/* | .ci/*)
        head -n 3 "$f" | grep -q 'SPDX-License-Identifier[:] LGPL-2.1-or-later' || echo "$f"
        ;;
    esac
done)
report "every source names its licence" "$found"
name="every file has a licence, whose text is there, and a holder"
if command -v reuse >/dev/null; then
    report "$name" "$(reuse lint --lines 2>&1)"
else
    count=$((count + 1))
    echo "ok $count $name # SKIP reuse is not installed"
fi
report "no file is longer than 600 lines" \
    "$(printf '%s\n' "$sources" | xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 }')"
# A function's body stands between a brace in the first column (or at the end of a line that starts
# there) and its like.  A straight forward may be twice as long.
found=$(printf '%s\n' "$sources" | grep -E '\.(c|cc|cu)$' | xargs awk '
    FNR == 1 { open = 0 }
    /^[a-zA-Z_].*\(/ { name = $0 }
    /^\{/ { open = FNR }
    /^[a-zA-Z_].*\) *\{$/ { open = FNR }
    /^\}/ {
        limit = name ~ /forward/ ? 120 : 60
        if (open && FNR - open - 1 > limit)
            print FILENAME ":" open ": " FNR - open - 1 " lines: " name
        open = 0
    }')
report "no function is longer than 60 lines, no forward than 120" "$found"
found=$(printf '%s\n' "$sources" | grep -v '^tests/golden/' | xargs awk '
    { line = $0; gsub(/[\200-\277]/, "", line) } # one for each character of UTF-8
    line ~ /gst-launch-1.0/ { next } # one to copy, in a comment
    length(line) > 100 { print FILENAME ":" FNR }')
report "no line is longer than 100 columns" "$found"
found=$(printf '%s\n' "$libraries" | while read -r f; do
    case $f in kernels/*/*) continue ;; esac
    name=${f##*/}
    grep -qw -- "${name%.*}" docs/architecture.md || echo "$f"
done)
report "docs/architecture.md names every file but those of a device" "$found"
# shellcheck disable=SC2086 # a list
found=$(find $places README.md docs media -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -name '*.py' \
    -o -name '*.md' -o -name 'meson*' -o -path 'scripts/*' -o -path 'examples/*' -o -path '.ci/*' \) \
    ! -name check_layers.sh -print0 |
    xargs -0 grep -nE '(^|[^[:alnum:]_.~-])/(work|root|home|tmp)/' /dev/null)
report "no path of one machine" "$found"

echo "1..$count"
exit $((failed > 0))
