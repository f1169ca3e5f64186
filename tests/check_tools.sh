#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is in tools/ and built: models that sana-make-model makes are drawn by sana-bench, half of one
# is none, and words that mean nothing get one sentence.  Speaks TAP; usage: check_tools.sh BUILD_ROOT
set -u
. "$(dirname "$0")/launch_env.sh"

# refused NAME PATTERN COMMAND...: the command fails with one line that matches, on standard error
refused() {
    name=$1
    pattern=$2
    shift 2
    timeout 60 "$@" >said 2>sentence </dev/null
    status=$?
    ok "$name" sh -c 'cat said sentence
        [ "$1" = 1 ] && [ ! -s said ] && [ "$(wc -l <sentence)" = 1 ] && grep -q "$2" sentence' - \
        "$status" "$pattern"
}

PATH="$build/tools:$PATH"
make_model="timeout 60 sana-make-model"
bench="sana-bench --device=cpu --frames=1"

# shellcheck disable=SC2086
for type in bf16 f32; do
    ok "a tiny model in $type" $make_model tiny "a $type model" --dtype=$type
    ok "a tiny model in $type is drawn" timeout 120 $bench --size=64 --size=96x32 --sessions=2 \
        --json=$type.json "a $type model"
    ok "its report has both sizes" sh -c "[ \$(grep -c released_rss $type.json) = 2 ]"
    ok "its report says when and on how many cores" sh -c "grep -q '\"date\" : \"20' $type.json &&
        grep -q '\"cores\" : [1-9]' $type.json"
    ok "its report names a commit, or claims none" sh -c "! grep '\"commit\"' $type.json ||
        grep -qE '\"commit\" : \"[0-9a-f]{12,40}(-dirty)?\"' $type.json"
    ok "one request is one picture" sh -c "[ \$(grep -c '\"differing_frames\" : 0' $type.json) = 2 ]"
done
# shellcheck disable=SC2086
ok "a picture is compared with itself" sh -c "$bench --size=64 --write-output=drawn 'a bf16 model' &&
    $bench --size=64 --compare-with=drawn 'a bf16 model' | grep -q '^  200.0 dB from the picture'"
head -c 49152 /dev/zero | tr '\0' '\377' >no-numbers
# shellcheck disable=SC2086
ok "a picture of no numbers is not compared" sh -c "$bench --size=64 --compare-with=no-numbers \
    'a bf16 model' 2>&1 | grep 'no-numbers, is not finite'"
# a directory where a file was: the last of the weights cannot be written
rm "a f32 model/text_encoder/model.safetensors"
mkdir "a f32 model/text_encoder/model.safetensors"
# shellcheck disable=SC2086
ok "a model of which one file fails" sh -c "! $make_model tiny 'a f32 model'"
# shellcheck disable=SC2086
refused "is no model any more" "there is no .*/model_index.json; give" $bench "a f32 model"

cat >commands.py <<'EOF'
import pathlib, sys, types
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import bench_cpu
commands = []
def run(command, *_, **__):
    commands.append([str(word) for word in command])
    pathlib.Path("x.json").write_text("{}")
bench_cpu.run = run
here = pathlib.Path(".")
o = types.SimpleNamespace(build=here, out=here, frames=1, reports={})
bench_cpu.bench(o, "x", "model")
bench_cpu.seconds_of_pipeline(o, 64, 1)
for command, word in zip(commands, ("--device=cpu", "device=cpu"), strict=True):
    assert word in command, command
EOF
if command -v python3 >/dev/null; then
    ok "bench_cpu measures the processor, whatever else there is" python3 commands.py "$source/tools"
fi

model="a bf16 model"
# shellcheck disable=SC2086
{
    refused "a size in words" '"large" is no size' $bench --size=large "$model"
    refused "a size of nothing" '"0x64" is no size' $bench --size=64 --size=0x64 "$model"
    refused "a precision that is not there" 'no precision "f24"' $bench --precision=f24 "$model"
    refused "no model" "give a model directory" $bench
    refused "no frames" "frames and steps from 1" $bench --frames=0 "$model"
    refused "too many steps" "steps to 20" $bench --steps=21 none
    refused "a strength of nothing" "strength above 0" $bench --strength=0 none
    refused "too much strength" "strength above 0" $bench --strength=2 none
    refused "too many sessions" "sessions to 64" $bench --sessions=1000000 "$model"
    refused "a directory that is not there" "there is no model directory none" $bench none
    refused "no directory to make" "give a configuration and a directory" $make_model tiny
    refused "another configuration" 'no configuration "huge"' $make_model huge x
    refused "another storage type" 'no storage type "f16"' $make_model tiny x --dtype=f16
    refused "no tokenizer to copy" "none/tokenizer.model" $make_model tiny x --tokenizer=none
}

# shellcheck disable=SC2016 # there
ok "who asks how to train gets an answer and no packages" \
    sh -c '"$1" here --toy --help | grep -q -- --until && [ ! -e here ]' - "$source/tools/demo-model/make"

# shellcheck disable=SC2016
ok "nothing of the user's reaches a test" env GST_PLUGIN_PATH_1_0=/none GST_REGISTRY_1_0="$PWD/none" \
    GST_DEBUG=none:9 GST_DEBUG_FILE="$PWD/none" GST_TRACERS=none GST_PRESET_PATH=/none SANA_MODULE_PATH=/none \
    PROMPT_FILE=none SOCKET=none HOST=none LOOK=none sh -c '
        . "$(dirname "$0")/launch_env.sh"; ! env | grep none' "$source/tests/nested" "$build"

# --- scripts/, with programs in place of those that would do something ---
mkdir stub
printf '#!/bin/sh\necho 1000\n' >stub/id
for program in sudo dpkg-query strip; do
    printf '#!/bin/sh\nexit 1\n' >stub/$program
done
for program in meson ninja; do
    printf '#!/bin/sh\n' >stub/$program
done
chmod +x stub/*
# shellcheck disable=SC2016
ok "who may not install packages is told so" env PATH="$PWD/stub:$PATH" sh -c '
    ! (. "$1/scripts/common.sh"; install_missing "to test" nothing) >said 2>&1 </dev/null
    cat said; grep -q "no right to install packages" said' - "$source"
# without it meson takes lib64 on Debian, where GStreamer does not look
if asked=$(command -v dpkg-architecture) && owner=$(dpkg-query -S "$asked" 2>/dev/null); then
    # shellcheck disable=SC2016
    ok "what tells meson the folder of libraries is among the packages to build with" sh -c '
        . "$1/scripts/common.sh"; echo "$build_packages" | grep -qw -- "$2"' - "$source" "${owner%%:*}"
fi
# the kernel lets nobody, root included, open another's file in such a folder as /tmp to write to it,
# and sudo closes all descriptors but the first three
mkdir apt root
printf '#!/bin/sh\necho 1000\n' >root/id
printf '#!/bin/sh\nexit 1\n' >root/dpkg-query
printf '#!/bin/sh\necho "dpkg was not configured"\n' >root/apt-get
cat >root/sudo <<'END'
#!/bin/sh
case $* in *"$TMPDIR"*) exit 1 ;; esac
[ "$1" != -n ] || shift
exec "$@" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
END
chmod +x root/*
# shellcheck disable=SC2016
ok "who may install packages keeps what apt-get says, and root opens none of it" \
    env PATH="$PWD/root:$PATH" TMPDIR="$PWD/apt" sh -c '
        ! (. "$1/scripts/common.sh"; install_missing "to test" nothing) >said 2>&1 </dev/null
        cat said; grep -q "what apt-get said is in $TMPDIR" said &&
            [ "$(grep -c "dpkg was not configured" apt/*)" = 2 ]' - "$source"
cp -R "$source/scripts" scripts
mkdir -p pack/files
: >pack/files/kept
# shellcheck disable=SC2016
ok "gpu-pack leaves what it did not make" env PATH="$PWD/stub:$PATH" sh -c '
    ! scripts/gpu-pack pack && [ -e pack/files/kept ]'

echo "1..$count"
exit $failed
