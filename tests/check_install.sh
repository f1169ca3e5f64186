#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `meson install` installs, put into a folder of its own: the plugin there draws with the model
# there, whatever lies in the tree it was built from.  And what meson says of a CUDA toolkit that is too
# old.  Speaks TAP; usage: check_install.sh BUILD_ROOT
set -u
. "$(dirname "$0")/launch_env.sh"

if ! command -v meson >/dev/null; then
    echo "1..0 # SKIP meson, which installs, is not in PATH"
    exit 0
fi
# The build's own list of what was installed is for its user to uninstall by: here is one beside it.
mkdir tree
ln -s "$build"/* tree
rm tree/meson-*
mkdir tree/meson-logs
cp -R "$build/meson-private" tree

# list: the build's own
list() {
    ls -l --time-style=full-iso "$build/meson-logs/install-log.txt" 2>&1
}

before=$(list)
ok "it installs" env DESTDIR="$scratch/installed" meson install -C tree --no-rebuild --quiet
ok "the build keeps its list of what to uninstall" [ "$(list)" = "$before" ]
cp -R installed moved
# shellcheck disable=SC2016
ok "it uninstalls" sh -c '(cd tree && meson --internal uninstall) && ! find installed -type f | grep .'
rm -rf installed
plugin=$(find "$scratch/moved" -name libgstsana.so)
model=$(find "$scratch/moved" -path '*/models/demo')
ok "plugin and model are there" test -f "$plugin" -a -d "$model"

# opened FOLDER: the model that the plugin in FOLDER takes by itself
opened() {
    GST_PLUGIN_PATH="$1" GST_REGISTRY="$scratch/registry-install" GST_DEBUG=sana:4 \
        timeout -k 5 60 gst-launch-1.0 sanasrc num-buffers=1 ! video/x-raw,width=32,height=32 ! \
        fakesink 2>&1 | sed -n 's/.* model \(.*\) on auto: found$/\1/p' | head -n 1
}

# is FOLDER MODEL: these are the same directory
is() {
    echo "opened \"$1\", expected $2"
    [ -n "$1" ] && [ "$(realpath "$1")" = "$(realpath "$2")" ]
}

ok "the installed plugin takes the installed model" is "$(opened "${plugin%/*}")" "$model"
rm registry-install
ok "the built plugin takes the source's model" is "$(opened "$build/gst")" "$source/models/demo"
ok "the plugin holds no path of the source" sh -c '! grep -qF "$1" "$2"' - "$source/models" "$plugin"

# looks FOLDER: each element finds one in FOLDER, and none among the user's own
looks() {
    GST_PLUGIN_PATH="${plugin%/*}" GST_REGISTRY="$scratch/registry-install" GST_PRESET_PATH="$1" \
        XDG_DATA_HOME="$scratch/home" timeout -k 5 60 gst-launch-1.0 \
        sanasrc @preset=clouds num-buffers=1 ! video/x-raw,width=32,height=32 ! \
        sanaimg2img @preset=pencil-sketch ! fakesink
}

ok "installed looks are found by name" looks "$(find "$scratch/moved" -path '*/gstreamer-1.0/presets')"

# links FOLDER: what the pages in it link to is there
links() {
    found=0
    # shellcheck disable=SC2044 # no names with spaces
    for page in $(find "$1" -name '*.md'); do
        for link in $(sed -n 's/\](/\n](/gp' "$page" | sed -n 's/^\](\([^)#]*\)[)#].*/\1/p'); do
            case $link in
            http*) continue ;;
            esac
            found=$((found + 1))
            [ -e "${page%/*}/$link" ] || { echo "${page#"$1"}: $link"; missing=yes; }
        done
    done
    [ -z "${missing-}" ] && [ "$found" -gt 10 ]
}

ok "installed pages link to what is installed" links "$(find "$scratch/moved" -path '*/doc/sana')"

# Debian 12 and Ubuntu 24.04 have such a toolkit
mkdir old
cat >old/nvcc <<'END'
#!/bin/sh
case $* in *--version*)
    echo "Cuda compilation tools, release 12.0, V12.0.140"
    echo "Build cuda_12.0.r12.0/compiler.32267302_0"
    ;;
esac
while [ $# -gt 0 ]; do
    [ "$1" != -o ] || { printf '#!/bin/sh\n' >"$2" && chmod +x "$2"; }
    shift
done
END
chmod +x old/nvcc

# old_cuda OPTION STATUS WORDS: meson's setup ends so, and says those words
old_cuda() {
    PATH="$scratch/old:$PATH" meson setup "old/$1" "$source" -Dcuda="$1" -Dtests=false
    [ $? = "$2" ] && grep -q "nvcc is of CUDA 12.0.140: $3" log
}

ok "a CUDA toolkit that is too old does not keep the rest from being built" old_cuda auto 0 "it is not built"
ok "nor is it taken for one that will do" old_cuda enabled 1 "update the toolkit"

echo "1..$count"
exit $failed
