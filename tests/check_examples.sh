#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs what people copy: every file of examples/, every block marked "sh runnable" of README.md and of
# the elements' pages in docs/, and the launch lines of the elements' source, with the built plugin,
# and short test pictures in place of cameras and clips.  Speaks TAP.
# usage: check_examples.sh BUILD_ROOT
set -u
. "$(dirname "$0")/launch_env.sh"

# one NAME TEST COMMAND...: the command ends well within its time, and then TEST holds
# shellcheck disable=SC2016 # TEST is evaluated there, not here
one() {
    name=$1
    test=$2
    shift 2
    count=$((count + 1))
    if timeout -k 5 "${TIMEOUT:-120}" "$@" </dev/null >log 2>&1 && eval "$test" >>log 2>&1; then
        echo "ok $count $name"
    else
        echo "not ok $count $name"
        echo "# expected: $test"
        tail -n 30 log | sed 's/^/# /'
        failed=1
    fi
}

# outputs FILE: where the sinks of its launch lines write, as patterns of the shell
outputs() {
    grep -oE 'sink location=[^ ]+' "$1" | sed 's/.*=//; s/%[0-9]*d/*/'
}

# written FILE: all of that is there, and nothing of it is empty
written() {
    for output in $(outputs "$1"); do
        [ -s "$output" ] || { echo "$output was not written"; return 1; }
    done
}

# line NAME FILE: its launch lines end well and write what they say
line() {
    # shellcheck disable=SC2046 # patterns
    rm -f $(outputs "$2")
    # shellcheck disable=SC2016 # there
    one "$1" 'written "$3"' sh -eu "$2"
}

skip() {
    count=$((count + 1))
    echo "ok $count $1 # SKIP GStreamer's $2 is not installed"
}

# has ELEMENT...: whether all are installed; otherwise $missing is one that is not
has() {
    for missing; do
        gst-inspect-1.0 --exists "$missing" || return 1
    done
}

# buffers FILE MEDIA: how many raw buffers of video or audio the file holds.  The sink takes all of
# them: decodebin of GStreamer 1.22 can wait for ever after a sink that has had enough.
buffers() {
    timeout -k 5 60 gst-launch-1.0 -v filesrc location="$1" ! decodebin ! "$2/x-raw" ! \
        identity name=count silent=false ! fakesink | grep -c 'count: last-message = chain'
}

frames() {
    buffers "$1" video
}

launch() {
    timeout -k 5 60 gst-launch-1.0 -q "$@" >/dev/null || { echo "Bail out! no test picture: $*"; exit 1; }
}

# --- pictures in place of cameras and clips ---
size="video/x-raw,width=128,height=96,framerate=24/1"
camera="videotestsrc num-buffers=6 pattern=ball ! $size"
endless="videotestsrc is-live=true ! video/x-raw,width=128,height=96,framerate=5/1"
live="${endless%% *} num-buffers=6 ${endless#* }"
sound="audiotestsrc num-buffers=20"
mkdir media
# shellcheck disable=SC2086
launch $camera ! vp8enc ! webmmux ! filesink location=media/clip.webm
# shellcheck disable=SC2086
launch $camera ! vp8enc ! webmmux name=m ! filesink location=sound.webm \
    $sound ! audioconvert ! vorbisenc ! m.

# --- examples/ ---
example=$source/examples
for path in "$example"/*; do
    file=${path##*/}
    case $file in
    meson.build | quote.sh) ;;
    restyle-file)
        if has avenc_aac; then
            one "$file keeps every frame and the sound" \
                '[ "$(frames out.mp4)" = 6 ] && [ "$(buffers out.mp4 audio)" -ge 1 ]' \
                "$path" sound.webm out.mp4
        else
            skip "$file keeps the sound" "$missing"
        fi
        one "$file takes a file without sound" '[ "$(frames mute.mp4)" = 6 ]' \
            "$path" media/clip.webm mute.mp4
        cp media/clip.webm 'a 5" clip.webm'
        one "$file takes marks of quotation in a prompt and in names" \
            'mv "6\" out.mp4" quoted.mp4 && [ "$(frames quoted.mp4)" = 6 ]' \
            env LOOK='a 5" screen, a \\ in it' "$path" 'a 5" clip.webm' '6" out.mp4'
        one "$file does not write over what it reads" 'cmp media/clip.webm same.webm && grep -q OUT.mp4 log' \
            sh -c 'cp media/clip.webm same.webm; ! "$1" same.webm ./same.webm' - "$path"
        ;;
    virtual-camera)
        one "$file delivers YUY2" 'grep -q "format=(string)YUY2, width=(int)128, height=(int)96" log' \
            env SOURCE="$live" SINK="fakesink -v" "$path"
        ;;
    preview)
        if has fpsdisplaysink; then
            one "$file shows frames" '[ "$(wc -c <shown)" -ge $((3 * 128 * 96)) ]' \
                env SOURCE="$live" SINK="filesink location=shown" "$path"
        else
            skip "$file" "$missing"
        fi
        ;;
    stills)
        one "$file draws four different pictures" \
            '[ "$(cksum still-[0-3].png | cut -d" " -f1 | sort -u | wc -l)" = 4 ] && [ "$(frames still-3.png)" = 1 ]' \
            env SIZE=128 "$path"
        ;;
    text-to-camera)
        one "$file keeps delivering" 'grep -q "width=(int)96" log' \
            env SIZE=96 SINK="fakesink num-buffers=3 -v" "$path"
        ;;
    srt-out)
        if has srtsink h264parse mpegtsmux; then
            one "$file streams" '[ "$(frames out.ts)" -ge 1 ]' \
                env SOURCE="$live" SINK="filesink location=out.ts" "$path"
            one "$file opens its port" true env SOURCE="$live" \
                SINK="srtsink uri=srt://127.0.0.1?mode=listener&localport=0 latency=120 wait-for-connection=false" "$path"
        else
            skip "$file" "$missing"
        fi
        ;;
    srt-in)
        one "$file shows frames" 'grep -q "format=(string)" log' \
            env SOURCE="$live" SINK="fakesink -v" "$path"
        ;;
    rtsp-out)
        if has h264parse; then
            one "$file sends H.264" '[ "$(frames rtsp.mkv)" -ge 1 ]' \
                env SOURCE="$live" SINK="matroskamux ! filesink location=rtsp.mkv" "$path"
        else
            skip "$file" "$missing"
        fi
        ;;
    rtp-out)
        one "$file sends RTP" 'grep -q "sink: caps = application/x-rtp.*H264" log' \
            env SOURCE="$live" SINK="udpsink host=127.0.0.1 port=5004 -v" "$path"
        ;;
    shared-memory)
        if has shmsink; then
            one "$file is read by another program" \
                'grep -q "count: last-message = chain" log' sh -c "
                    SOURCE='$endless' '$path' & writer=\$!
                    until [ -S sana.sock ]; do sleep 0.1; done
                    gst-launch-1.0 -v shmsrc socket-path=sana.sock is-live=true num-buffers=3 ! \
                        video/x-raw,format=I420,width=128,height=96,framerate=5/1 ! \
                        identity name=count silent=false ! fakesink
                    kill \$writer"
        else
            skip "$file" "$missing"
        fi
        ;;
    live-prompt)
        # until it is seen, however long the model takes to load
        one "$file takes the file's prompt" true sh -c "
            echo neon lights >look.txt
            SOURCE='$endless' SINK='fakesink -m' '$path' & launch=\$!
            until grep -q 'prompt=(string)\"neon.* lights' log; do sleep 0.1; done
            kill \$launch"
        ;;
    subtitles)
        printf '1\n00:00:00,000 --> 00:00:00,100\nneon lights\n' >looks.srt
        one "$file keeps every frame" '[ "$(frames looks.mp4)" = 6 ]' \
            "$path" media/clip.webm looks.srt looks.mp4
        ;;
    measure)
        if has fpsdisplaysink; then
            one "$file tells the time of a frame" 'grep -q "element=(string)sanaimg2img0.*time" log' \
                env SOURCE="$live" "$path"
            # what fails is looked for in words that gst-launch-1.0 says in the user's language
            one "$file asks for those words" '[ "$(cat said)" = C.UTF-8: ]' sh -c '
                mkdir other; printf "#!/bin/sh\necho \$LC_ALL:\$LANGUAGE >said\n" >other/gst-launch-1.0
                chmod +x other/gst-launch-1.0
                ! LC_ALL=de_DE.UTF-8 LANGUAGE=de PATH="$PWD/other:$PATH" "$1"' - "$path"
        else
            skip "$file" "$missing"
        fi
        ;;
    rtsp-in)
        one "$file writes a file" '[ "$(frames out.mkv)" -ge 1 ]' \
            env SOURCE="$live" CAMERA=none "$path" out.mkv
        ;;
    rtmp-out)
        if has h264parse avenc_aac; then
            one "$file muxes picture and sound" '[ "$(frames out.flv)" -ge 1 ] && [ "$(buffers out.flv audio)" -ge 1 ]' \
                env SOURCE="$live" SOUND="$sound" SERVER=none SINK="filesink location=out.flv" "$path"
        else
            skip "$file" "$missing"
        fi
        ;;
    obs-gstreamer.txt)
        text=$(sed -n 's/^source: //p' "$path")
        one "$file: the source" true \
            sh -c "gst-launch-1.0 $text videoconvert name=video ! fakesink num-buffers=2"
        text=$(sed -n 's/^filter: //p' "$path")
        one "$file: the filter" '[ "$(grep -c "count: last-message = chain" log)" = 6 ]' \
            sh -c "gst-launch-1.0 -v $camera ! videoconvert ! $text ! videoconvert ! $size ! identity name=count silent=false ! fakesink"
        ;;
    still.c)
        one "$file draws a picture" 'head -c 14 out.ppm | grep -q "^P6 256 256 255"' \
            "$build/examples/still" "$MODEL" "clouds" out.ppm 3
        ;;
    *)
        one "$file has a test" false true
        ;;
    esac
done

# --- their own lines, where cameras and servers are not replaced, and prompts with marks in them ---
mkdir parse
ln -s "$build/tests/parse_launch" parse/gst-launch-1.0
marks='a 5" screen, a \\ in it'
for path in "$example"/*; do
    file=${path##*/}
    server=
    case $file in
    *.*) continue ;;
    restyle-file) set -- in.webm out.mp4 ;;
    subtitles) set -- in.webm looks.srt out.mp4 ;;
    rtsp-in) set -- out.mkv ;;
    *-in | *-out) set -- && server=${file%-*}://127.0.0.1:7001/live/key ;;
    *) set -- ;;
    esac
    rm -f parsed
    name="$file is a line that parses, with the prompt as it was given"
    PATH="$scratch/parse:$PATH" LOOK="$marks" PROMPT_FILE="$marks" SERVER="$server" CAMERA=rtsp://127.0.0.1/none \
        "$path" "$@" >log 2>&1
    missing=$(sed -n 's/^error: no element "\(.*\)"$/\1/p' parsed)
    if [ "$missing" ]; then
        skip "$name" "$missing"
    else
        one "$name" '[ "$(sort -u parsed)" = "prompt: $marks" ]' cat parsed
    fi
done

# --- what is missing is said in a line ---
for file in restyle-file subtitles rtsp-in rtsp-out rtmp-out srt-in; do
    one "$file says what it wants" '[ "$(wc -l <said)" = 1 ] && grep -qE "usage: $file|(SERVER|CAMERA): is" said' \
        sh -c '! "$1" >said 2>&1' - "$example/$file"
done

# --- README.md, docs/ ---
for page in README.md docs/sanasrc.md docs/sanaimg2img.md; do
    rm -f block*
    awk -v to="$scratch/block" '
        /^```sh runnable/ { n++; inside = 1; next }
        /^```/ { inside = 0 }
        inside { print > (to n) }' "$source/$page"
    [ -e block3 ] || one "$page has three launch lines" false true
    n=1
    while [ -e "block$n" ]; do
        line "$page: $(head -n 1 "block$n" | sed 's/^# *//')" "block$n"
        n=$((n + 1))
    done
done

# --- C in docs/ ---
awk '/^```c runnable/ { inside = 1; next } /^```/ { inside = 0 } inside' "$source/docs/sanaimg2img.md" >rise.c
cat >>rise.c <<'END'
int
main (int argc, char **argv)
{
  gdouble strength = 0;
  GstElement *look;
  gst_init (&argc, &argv);
  look = gst_element_factory_make ("sanaimg2img", NULL);
  rise (GST_OBJECT (look));
  gst_object_sync_values (GST_OBJECT (look), 5 * GST_SECOND);
  g_object_get (look, "strength", &strength, NULL);
  gst_object_unref (look);
  return ABS (strength - 0.4) < 1e-6 ? 0 : 1;
}
END
name="docs/sanaimg2img.md: a strength that rises"
if grep -q __asan_init "$plugin"; then
    count=$((count + 1))
    echo "ok $count $name # SKIP the plugin is built with a sanitizer, which the program is not"
elif pkg-config --exists gstreamer-controller-1.0; then
    # shellcheck disable=SC2016 # there
    one "$name" true sh -c '${CC-cc} -Wall -Werror -o rise rise.c \
        $(pkg-config --cflags --libs gstreamer-controller-1.0) && ./rise'
else
    skip "$name" gstreamer-controller-1.0
fi

# --- gst/ ---
cp media/clip.webm in.webm
ln -s "$MODEL" model
for file in gstsanasrc.c gstsanaimg2img.c; do
    sed -n '/^ \* |\[/,/^ \* \]|/p' "$source/gst/$file" | sed -n 's/^ \* \(gst-launch-1.0.*\)/\1/p' |
        sed "s|v4l2src|$live|; s|autovideosink|fakesink num-buffers=2|; s|DIRECTORY|model|" >lines
    [ "$(grep -c . lines)" -ge 3 ] || one "gst/$file has three launch lines" false true
    n=1
    while [ "$n" -le "$(grep -c . lines)" ]; do
        sed -n "${n}p" lines >line.sh
        line "gst/$file: launch line $n" line.sh
        n=$((n + 1))
    done
done

echo "1..$count"
exit $failed
