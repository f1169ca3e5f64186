# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scripts and the tests that are scripts share.  Sourced; build() needs `root`, the top of the
# source tree.

# what other programs say is read below, and they would say it in the user's language
export LC_ALL=C.UTF-8 LANGUAGE=

# what a build needs; meson asks dpkg-dev where Debian has libraries
build_packages="meson ninja-build gcc g++ pkg-config dpkg-dev libdnnl-dev libsentencepiece-dev
    libjson-glib-dev libglib2.0-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev"
# what playing, encoding and writing the bundled clip needs
run_packages="gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-ugly"
# what the tests, and the launch lines of README and examples/, need beyond that
test_packages="gstreamer1.0-plugins-bad gstreamer1.0-libav gstreamer1.0-rtsp
    libgstrtspserver-1.0-dev"
# what checking the style needs
style_packages="clang-format-14 indent"

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# temporary: makes the directory $scratch, which goes when the script ends, be it by Ctrl-C: dash would
# then leave out the trap of EXIT
temporary() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# plugins_from FOLDER REGISTRY: GStreamer looks there, and keeps what it found in REGISTRY.  The user's
# names with _1_0 would go before those without.
plugins_from() {
    unset GST_PLUGIN_PATH_1_0 GST_REGISTRY_1_0
    export GST_PLUGIN_PATH="$1" GST_REGISTRY="$2"
}

# progress PERCENT TEXT: one line that renews itself; where the output is no terminal, a line for
# each tenth.  Starts afresh after progress_end.
progress() {
    if [ -t 1 ]; then
        printf '\r\033[K  %3d %%  %s' "$1" "$2"
    elif [ "$(($1 / 10))" != "${progress_tenth-}" ]; then
        progress_tenth=$(($1 / 10))
        printf '  %3d %%  %s\n' "$1" "$2"
    fi
}

progress_end() {
    progress_tenth=
    if [ -t 1 ]; then
        printf '\r\033[K'
    fi
}

is_installed() {
    dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# as_root COMMAND...: runs it with the rights to install packages
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# apt_get LOG ARGUMENT...: runs apt-get, shows how far it is, keeps what it says in LOG
apt_get() {
    log=$1
    shift
    # apt writes its state as kind:package:percent:text.  LOG is opened out here: in /tmp the kernel
    # keeps root from opening another's file, and sudo passes on no more than these descriptors.
    {
        if as_root sh -c 'exec 3>&1 >&2 </dev/null
            DEBIAN_FRONTEND=noninteractive \
                exec apt-get -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 "$@"' - "$@" 2>>"$log"; then
            echo done
        else
            echo failed
        fi
    } | {
        state=failed
        while IFS=: read -r kind item percent text; do
            case $kind in
            dlstatus) progress "$((${percent%%.*} / 2))" "$text" ;;
            pmstatus) progress "$((50 + ${percent%%.*} / 2))" "$text" ;;
            done | failed) state=$kind ;;
            esac
        done
        progress_end
        [ "$state" = done ]
    }
}

# install_missing PURPOSE PACKAGE...: installs those of the packages that are not there
install_missing() {
    purpose=$1
    shift
    if ! command -v dpkg-query >/dev/null; then
        say "This system has no dpkg: take care yourself that these are there: $*"
        return
    fi
    missing=
    for package; do
        is_installed "$package" || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        return
    fi
    say "Installing what is missing $purpose:$missing"
    if ! as_root true 2>/dev/null; then
        fail "no right to install packages: run this as root, or first, as root: apt-get install$missing"
    fi
    apt_log=$(mktemp)
    apt_get "$apt_log" update ||
        fail "the package lists could not be fetched (is the network there?): $(grep -m1 '^E: ' "$apt_log")"
    # shellcheck disable=SC2086
    apt_get "$apt_log" install -y --no-install-recommends $missing ||
        fail "apt-get could not install the packages: $(grep -m1 '^E: ' "$apt_log"); all it said is in $apt_log"
    for package in $missing; do
        is_installed "$package" || fail "$package did not install; what apt-get said is in $apt_log"
    done
    rm -f "$apt_log"
}

# build DIRECTORY MESON_OPTION...
build() {
    directory=$1
    shift
    say "Building in ${directory#"$root"/}"
    mkdir -p "$directory"
    if [ -f "$directory/build.ninja" ]; then
        meson configure "$directory" "$@" >"$directory/setup.log" 2>&1
    else
        meson setup "$directory" "$root" "$@" >"$directory/setup.log" 2>&1
    fi || fail "meson could not set up the build: $(grep -m1 ERROR "$directory/setup.log"); see ${directory#"$root"/}/setup.log"
    NINJA_STATUS='  [%f/%t, %e s] ' ninja -C "$directory" || fail "the build failed: the first message above says where"
}
