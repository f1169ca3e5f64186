#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `meson install` installs, put into a folder of its own: the plugin there draws with the model
# there, whatever lies in the tree it was built from.  Speaks TAP; usage: check_install.sh BUILD_ROOT
set -u
. "$(dirname "$0")/launch_env.sh"

if ! command -v meson >/dev/null; then
    echo "1..0 # SKIP meson, which installs, is not in PATH"
    exit 0
fi
ok "it installs" env DESTDIR="$scratch/installed" meson install -C "$build" --no-rebuild --quiet
mv installed moved
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

echo "1..$count"
exit $failed
