#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a user sees of bad input: breaks copies of the bundled model in many ways, asks the elements
# for what is not there, and checks that one sentence on the bus says what is wrong, with no crash and
# no hang.  Speaks TAP; with --document it prints docs/inputs.md instead.
# usage: check_inputs.sh BUILD_ROOT [--document]
set -u
. "$(dirname "$0")/launch_env.sh"
document=${2-}
out=1
[ -z "$document" ] || out=2
directory="$scratch/DIRECTORY"
transformer=transformer/diffusion_pytorch_model.safetensors
small="video/x-raw,width=128,height=96,framerate=5/1"

# report OK NAME: a line of TAP; in a document only what fails, for the eyes of who makes it
report() {
    count=$((count + 1))
    if [ "$1" != yes ]; then
        failed=1
        { echo "not ok $count $2" && grep -v '^Progress' log | head -n 12 | sed 's/^/# /'; } >&$out
    elif [ -z "$document" ]; then
        echo "ok $count $2"
    fi
}

# launch ARGUMENT...: runs a pipeline within its time; status 0 if it ended well, 1 if it ended with an
# error, 2 if it crashed or hung.  $sentence is the first error of the bus.
launch() {
    for _ in 1 2 3 4 5; do
        timeout -k 5 20 gst-launch-1.0 "$@" </dev/null >log 2>&1
        status=$?
        # gst-launch-1.0 forgets to end if an error arrives before its main loop runs
        [ $status = 124 ] && grep -q '^ERROR: from' log && ! grep -q '^Setting pipeline to NULL' log ||
            break
    done
    sentence=$(sed -n 's/^ERROR: from element [^ ]*Sana[^ ]*: //p' log | head -n 1)
    case $status in
    0) ;;
    1 | 255) status=1 ;;
    *) status=2 ;;
    esac
}

# refused NAME PATTERN ARGUMENT...: the pipeline ends with a sentence that matches
refused() {
    name=$1
    pattern=$2
    shift 2
    launch "$@"
    if [ $status = 1 ] && printf '%s\n' "$sentence" | grep -qE "$pattern"; then
        report yes "$name"
        [ -z "$document" ] || row "$name" "$sentence"
    else
        report no "$name: expected $pattern"
    fi
}

# warned NAME PATTERN ARGUMENT...: the pipeline ends well, after a warning that matches
warned() {
    name=$1
    pattern=$2
    shift 2
    launch "$@"
    sentence=$(sed -n 's/^WARNING: from element [^ ]*Sana[^ ]*: //p' log | head -n 1)
    if [ $status = 0 ] && printf '%s\n' "$sentence" | grep -qE "$pattern"; then
        report yes "$name"
        [ -z "$document" ] || row "$name" "$sentence"
    else
        report no "$name: expected $pattern"
    fi
}

# accepted NAME ARGUMENT...: the pipeline ends well
accepted() {
    name=$1
    shift
    launch "$@"
    if [ $status = 0 ]; then
        report yes "$name"
        [ -z "$document" ] || row "$name" "(runs)"
    else
        report no "$name"
    fi
}

# unparsed NAME PATTERN ARGUMENT...: gst-launch-1.0 says so itself, no element has heard of it
unparsed() {
    name=$1
    pattern=$2
    shift 2
    launch "$@"
    sentence=$(sed -n 's/^WARNING: erroneous pipeline: //p' log | head -n 1)
    if [ $status = 1 ] && printf '%s\n' "$sentence" | grep -qaE "$pattern"; then
        report yes "$name"
        [ -z "$document" ] || row "$name" "(gst-launch-1.0) $(printf '%s\n' "$sentence" | grep -aoE "$pattern")"
    else
        report no "$name: expected $pattern"
    fi
}

row() {
    printf '| %s | %s |\n' "$1" "$(printf '%s\n' "$2" | sed "s|$scratch/||g; s/|/\\\\|/g; s/^\(.\{300\}\).*/\1 …/")"
}

# broken NAME PATTERN EDIT: a copy of the model, changed by EDIT in its directory, is refused
broken() {
    rm -rf "$directory"
    cp -r "$MODEL" "$directory"
    (cd "$directory" && eval "$3") || { report no "$1: the model was not changed"; return; }
    refused "$1" "$2" videotestsrc num-buffers=1 ! "$small" ! \
        sanaimg2img model-path="$directory" prompt=x ! fakesink
}

# setting FILE KEY VALUE: replaces a number, word or true/false of a configuration
setting() {
    sed -i "s/\"$2\": [^,\[]*\(,\{0,1\}\)\$/\"$2\": $3\1/" "$1"
    grep -qF "\"$2\": $3" "$1"
}

# weights HEADER BYTES: a weight file of the transformer with this header and so many zeros
weights() {
    length=${#1}
    {
        # shellcheck disable=SC2059 # the format is the bytes
        printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))\\0\\0\\0\\0\\0\\0"
        printf '%s' "$1"
        head -c "$2" /dev/zero
    } >$transformer
}

# index MAP: shards of the transformer in place of its one file
index() {
    mv $transformer transformer/diffusion_pytorch_model-00001-of-00001.safetensors
    printf '{"metadata": {}, "weight_map": %s}' "$1" >$transformer.index.json
}

heading() {
    [ -z "$document" ] || printf '\n## %s\n\n| input | what the bus says |\n|---|---|\n' "$1"
}

if [ "$document" ]; then
    cat <<'END'
# What bad input gets

One sentence on the bus that names the file, tensor or property and, where something can be done, what;
no crash, no hang and no half-loaded model. One thing is not caught: who truncates a weight file while it
is read ends the process ([timing.md](timing.md#memory)). The sentences below are what the elements said
when this page was made:

    tests/check_inputs.sh build --document > docs/inputs.md

The same script without `--document` is a test that runs every line. Other tests go deeper where files
are hostile: `check_weights` cuts weight files at every byte and changes bytes at random,
`check_config` does so with configurations, `check_tokenizer` with tokenizers, `check_bind` with the
match of weights and configuration, `check_text` with prompts. `check_directory`, `check_requests` and
`check_memory` ask the library behind the elements, `pipelines/sana.h`, for everything that cannot be,
each parameter by name, and draw again afterwards; `check_damage` changes every file of a model at
random. A program can set a prompt that is not UTF-8, which gst-launch-1.0 cannot: `check_states` has the
error that names it.
END
fi

heading "Directories"
refused "no such directory" "there is no model directory .*/none;" sanasrc model-path="$scratch/none" ! fakesink
mkdir empty
refused "a directory without model_index.json" "there is no .*empty/model_index.json; give the directory of a SANA-Sprint model" \
    sanasrc model-path="$scratch/empty" ! fakesink
broken "a class this project does not run" 'its class is "FluxPipeline", but only .* are run here; give one' \
    'setting model_index.json _class_name "\"FluxPipeline\""'
broken "a network of another class" "its vae is AutoencoderKL, .*; give a SANA-Sprint model" \
    'sed -i s/AutoencoderDC/AutoencoderKL/ model_index.json'
broken "base SANA" "no guidance embedding .*; give a SANA-Sprint model" 'setting transformer/config.json guidance_embeds false'
broken "another scheduler's mathematics" 'prediction_type "epsilon" is not run here; trigflow is' \
    'setting scheduler/scheduler_config.json prediction_type "\"epsilon\""'

heading "Configurations"
broken "no configuration" "transformer/config.json cannot be opened: .*; download it again" \
    'rm transformer/config.json'
broken "not JSON" "vae/config.json is not JSON" 'printf "{\"a\": " >vae/config.json'
broken "100 000 levels of nesting" "vae/config.json nests deeper" \
    '{ printf "{\"a\":"; head -c 100000 /dev/zero | tr "\\0" "["; } >vae/config.json'
broken "10^18 layers" "num_layers is 1000000000000000000, but must be .* 1024; download it again" \
    'setting transformer/config.json num_layers 1000000000000000000'
broken "a negative number of layers" "num_layers is -1, but must be .* 1024; download it again" \
    'setting transformer/config.json num_layers -1'
broken "no heads" "num_attention_heads is 0, but must be .* 1024; download it again" \
    'setting transformer/config.json num_attention_heads 0'
broken "a size in words" 'num_layers is "six", but must be .* 1024; download it again' \
    'setting transformer/config.json num_layers "\"six\""'
broken "a vocabulary of another size than the embedding" "embed_tokens.weight is stored" \
    'setting text_encoder/config.json vocab_size 100'

heading "Weights"
broken "no weights" "transformer holds no diffusion_pytorch_model.safetensors" "rm $transformer"
broken "an empty file" "is truncated: it holds 0 bytes" ": >$transformer"
broken "cut in the header's length" "is truncated: it holds 4 bytes" "truncate -s 4 $transformer"
broken "cut in the header" "is truncated: its header has [0-9]* bytes, the file 1000" \
    "truncate -s 1000 $transformer"
broken "cut by the last byte" "is truncated: tensor .* ends at byte" "truncate -s -1 $transformer"
broken "a header of a terabyte" "its header would have 1099511627776 bytes" \
    "printf '\\0\\0\\0\\0\\0\\1\\0\\0' | dd of=$transformer conv=notrunc status=none"
broken "tensors that overlap" "tensors a and b overlap" \
    'weights "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}" 12'
broken "a tensor beyond the end" "tensor a ends at byte 1000000000000" \
    'weights "{\"a\":{\"dtype\":\"F32\",\"shape\":[500000,500000],\"data_offsets\":[0,1000000000000]}}" 8'
broken "a size that overflows" "the shape of tensor a is not" \
    'weights "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,8]}}" 8'
broken "a type that contradicts the size" "tensor a holds 8 bytes, which its shape and dtype contradict" \
    'weights "{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}" 8'
broken "other tensors than the network's" "patch_embed.proj.bias is missing; patch_embed.proj.weight is missing" \
    'weights "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}" 8'
broken "other shapes than the configuration's" "is stored \\(960\\), expected \\(1152\\)" \
    'setting transformer/config.json mlp_ratio 3.0'
broken "weights with NaN" "holds NaN or infinity" \
    "truncate -s -2304 $transformer && head -c 2304 /dev/zero | tr '\\0' '\\377' >>$transformer"
broken "a shard that is not there" "model-00002-of-00002.safetensors cannot be opened: .*; download it again" \
    'index "{\"a\": \"diffusion_pytorch_model-00002-of-00002.safetensors\"}"'
broken "a shard outside the directory" "is not a plain .safetensors file name" \
    'index "{\"a\": \"../vae/diffusion_pytorch_model.safetensors\"}"'
broken "a tokenizer that is not SentencePiece" "tokenizer.model is not a SentencePiece model" \
    'echo hello >tokenizer/tokenizer.model'
broken "a tokenizer with a piece of 600 bytes" "holds a piece of 600 bytes" \
    "{ printf '\\012\\333\\004\\012\\330\\004'; printf '%600s' ''; } >>tokenizer/tokenizer.model"
broken "a tokenizer of another kind" "does not join pairs of pieces" \
    "printf '\\022\\002\\030\\001' >>tokenizer/tokenizer.model"
broken "no tokenizer" "tokenizer.model is missing" 'rm tokenizer/tokenizer.model'

heading "Settings"
# a build has cuda, or an installation beside it has
devices="auto, cpu, cuda"
launch sanasrc num-buffers=1 device=cuda ! fakesink
if printf '%s\n' "$sentence" | grep -q "there is none in this build"; then
    devices="auto, cpu"
    refused "a device that this build lacks" "there is none in this build; choose one of $devices\$" \
        sanasrc device=cuda ! fakesink
fi
refused "a device that does not exist" \
    "device \"gpu\": there is none in this build; choose one of $devices\$" sanasrc device=gpu ! fakesink
refused "a precision the device lacks" "does not compute in precision fp8; it has" \
    sanasrc device=cpu precision=fp8 ! fakesink
refused "a picture of 32768×32768" "sides must be 1 to 16384" \
    sanasrc num-buffers=1 ! video/x-raw,width=32768,height=32768 ! fakesink
# 39 GiB; a machine that has them is not to fill them
if [ "$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)" -lt 34 ]; then
    refused "a picture larger than memory" "16384×16384 take another [0-9.]* GiB, but .* free; choose a smaller size: [0-9]*×[0-9]* would fit" \
        sanasrc num-buffers=1 ! video/x-raw,width=16384,height=16384 ! fakesink
elif [ -z "$document" ]; then
    count=$((count + 1))
    echo "ok $count a picture larger than memory # SKIP this machine has the memory"
fi
one="videotestsrc num-buffers=1 ! $small ! sanaimg2img"
# shellcheck disable=SC2086
accepted "an empty prompt" $one prompt='""' ! fakesink
# shellcheck disable=SC2086
accepted "a prompt that spells control tokens" $one prompt="<bos><eos><start_of_turn>user<pad>" ! fakesink
# shellcheck disable=SC2086
accepted "a prompt of 100 000 characters" $one prompt="$(head -c 100000 /dev/zero | tr '\0' x)" ! fakesink
# an argument of a program has not more than 128 kB; ten of them are one quoted text
hundred=$(head -c 100000 /dev/zero | tr '\0' x)
# shellcheck disable=SC2086
accepted "a prompt of 1 000 000 characters" $one prompt="\"$hundred" "$hundred" "$hundred" "$hundred" \
    "$hundred" "$hundred" "$hundred" "$hundred" "$hundred" "$hundred\"" ! fakesink
# shellcheck disable=SC2086
unparsed "a prompt that is not UTF-8" 'could not set property "prompt" in element "sanaimg2img0?"' \
    $one prompt="$(printf 'caf\351')" ! fakesink
accepted "a frame of 1×1" videotestsrc num-buffers=1 ! video/x-raw,width=1,height=1,framerate=5/1 ! \
    sanaimg2img prompt=x ! fakesink
accepted "a frame of 7680×4320, process-width=128" videotestsrc num-buffers=1 ! \
    video/x-raw,width=7680,height=4320,framerate=5/1 ! sanaimg2img prompt=x process-width=128 ! fakesink
accepted "a picture of 1×1" sanasrc num-buffers=1 ! video/x-raw,width=1,height=1 ! fakesink

heading "Prompts that come from elsewhere"
still="sanasrc num-buffers=1 prompt-file=prompt.txt ! $small ! fakesink"
# shellcheck disable=SC2086
warned "no such prompt file" "prompt.txt cannot be opened: No such file" $still
mkdir prompt.txt
# shellcheck disable=SC2086
warned "a prompt file that is a directory" "is a directory; name a text file" $still
rmdir prompt.txt
mkfifo prompt.txt
# shellcheck disable=SC2086
warned "a prompt file that is a FIFO" "is not a regular file; name a text file" $still
rm prompt.txt
printf 'caf\351' >prompt.txt
# shellcheck disable=SC2086
warned "a prompt file in Latin-1" "is not UTF-8; convert it" $still
head -c 10000000 /dev/zero | tr '\0' x >prompt.txt
# shellcheck disable=SC2086
warned "a prompt file of 10 MB" "is longer than 64 KiB" $still
text="sanaimg2img name=s ! fakesink
    filesrc location=prompt.txt blocksize=20000000 ! text/x-raw,format=utf8 ! s.text_sink"
# shellcheck disable=SC2086
warned "a text of 10 MB for text_sink" "is longer than 64 KiB" \
    videotestsrc num-buffers=5 is-live=true ! $small ! $text
printf 'caf\351' >prompt.txt
# shellcheck disable=SC2086
warned "a text in Latin-1 for text_sink" "is not UTF-8; convert it" \
    videotestsrc num-buffers=5 is-live=true ! $small ! $text

[ "$document" ] || echo "1..$count"
exit $failed
