#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""OBS with both elements in it, driven as a user would: does it stay smooth?

    apt-get install obs-studio libobs-dev xvfb python3-websocket libgl1-mesa-dri
    git clone https://github.com/fzwoch/obs-gstreamer && cd obs-gstreamer
    meson setup build && ninja -C build
    tools/obs_check.py --obs-gstreamer obs-gstreamer/build/obs-gstreamer.so --build build

OBS runs under Xvfb with a configuration of its own, drawn by the CPU; its websocket makes sources
and filters and asks for statistics and screenshots.  The clip that comes with the project is the
camera.  `identity` and `sanaimg2img` take turns as its filter; each is measured over the same
calls, half of them statistics, which any thread answers, half screenshots, for which OBS has to
render.  Then the settings are applied twice, the prompt changed in them and in its file, a
recording made, and the filter removed.

The exit status is 1 when one of these does not hold:

    the 95th percentile of the calls is at most 50 ms above identity's
    of all frames at most 1 % more are skipped in rendering
    no call takes longer than 500 ms while the model loads, settings are applied, prompts change,
    or the filter goes, and the camera's picture goes on while the model loads
    filter and source draw what they should: another picture, another one after a new prompt, and
    the camera's own when the filter is gone
    the recording has its frames; obs-gstreamer reports no error; OBS still runs at the end
"""
import argparse
import base64
import configparser
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import websocket
except ImportError:
    websocket = None  # said once the words are read

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLOWEST_CALL = 0.5  # s, in anything that a user does
SLOWER_CALLS = 0.05  # s, beside identity
MORE_SKIPPED = 0.01
CANVAS = (640, 480)
CLIP, TEST_CARD, TEXT = "clip", "test card", "text"


class Obs:
    """One OBS with an X server and a configuration of its own."""

    def __init__(self, directory, obs_gstreamer, plugins):
        self.directory = directory
        self.calls = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._configure(obs_gstreamer, port)
        reader, writer = os.pipe()
        self.x_server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1080x730x24", "-nolisten", "tcp"],
            pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as lines:
            self.display = ":" + lines.readline().strip()
        environment = dict(
            os.environ, HOME=str(directory), XDG_CONFIG_HOME=str(directory / "config"),
            XDG_RUNTIME_DIR=str(directory), XDG_CACHE_HOME=str(directory / "cache"),
            DISPLAY=self.display, LIBGL_ALWAYS_SOFTWARE="1", QT_QPA_PLATFORM="xcb",
            GST_PLUGIN_PATH=str(plugins), GST_REGISTRY=str(directory / "registry"))
        self.said = open(directory / "obs.log", "w+")
        self.process = None
        try:
            self.process = subprocess.Popen(
                ["obs", "--multi", "--disable-updater", "--disable-shutdown-check"],
                env=environment, stdout=self.said, stderr=subprocess.STDOUT)
            self.socket = self._connect(port)
        except BaseException:
            for process in (self.process, self.x_server):
                if process:
                    process.kill()
                    process.wait()
            raise

    def _configure(self, obs_gstreamer, port):
        config = self.directory / "config" / "obs-studio"
        plugin = config / "plugins" / "obs-gstreamer" / "bin" / "64bit"
        plugin.mkdir(parents=True)
        shutil.copy(obs_gstreamer, plugin / "obs-gstreamer.so")
        self.recordings = self.directory / "recordings"
        self.recordings.mkdir()
        write_ini(config / "global.ini", {
            "General": {"FirstRun": "true", "EnableAutoUpdates": "false"},
            "Basic": {"Profile": "check", "ProfileDir": "check",
                      "SceneCollection": "check", "SceneCollectionFile": "check"},
            "OBSWebSocket": {"FirstLoad": "false", "ServerEnabled": "true", "ServerPort": port,
                             "AuthRequired": "false"}})
        profile = config / "basic" / "profiles" / "check"
        profile.mkdir(parents=True)
        (config / "basic" / "scenes").mkdir()
        width, height = CANVAS
        write_ini(profile / "basic.ini", {
            "General": {"Name": "check"},
            "Output": {"Mode": "Simple"},
            "SimpleOutput": {"FilePath": self.recordings, "RecFormat": "mkv", "RecQuality": "Small",
                             "RecEncoder": "x264_lowcpu"},
            "Video": {"BaseCX": width, "BaseCY": height, "OutputCX": width, "OutputCY": height,
                      "FPSType": 0, "FPSCommon": 30}})

    def _connect(self, port):
        until = time.monotonic() + 60
        while True:
            try:
                connection = websocket.create_connection(f"ws://127.0.0.1:{port}", timeout=30)
                break
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    self.said.flush()
                    sys.exit("OBS does not answer; it said:\n" +
                             (self.directory / "obs.log").read_text()[-4000:])
                time.sleep(0.1)
        json.loads(connection.recv())
        connection.send(json.dumps({"op": 1, "d": {"rpcVersion": 1, "eventSubscriptions": 0}}))
        json.loads(connection.recv())
        return connection

    def call(self, request, **data):
        """The answer to a request."""
        self.calls += 1
        self.socket.send(json.dumps({"op": 6, "d": {
            "requestType": request, "requestId": str(self.calls), "requestData": data}}))
        answer = json.loads(self.socket.recv())["d"]
        if not answer["requestStatus"]["result"]:
            raise RuntimeError(f"{request}: {answer['requestStatus']}")
        return answer.get("responseData", {})

    def picture(self, source, width=64, height=36):
        """Its pixels: bytes of rows, as a BMP file keeps them."""
        answer = self.call("GetSourceScreenshot", sourceName=source, imageFormat="bmp",
                           imageWidth=width, imageHeight=height)
        file = base64.b64decode(answer["imageData"].partition(",")[2])
        return file[int.from_bytes(file[10:14], "little"):]

    def frames(self):
        """Rendered so far, and skipped of these."""
        stats = self.call("GetStats")
        return stats["renderTotalFrames"], stats["renderSkippedFrames"]

    def close(self):
        """Whether OBS still ran, and what it said."""
        alive = self.process.poll() is None
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.x_server.terminate()
        self.x_server.wait()
        self.said.seek(0)
        return alive, self.said.read()


def write_ini(path, sections):
    ini = configparser.RawConfigParser()
    ini.optionxform = str
    ini.read_dict(sections)
    with open(path, "w") as file:
        ini.write(file, space_around_delimiters=False)


def difference(a, b):
    """Mean absolute difference of two pictures, of 255."""
    return statistics.fmean(abs(x - y) for x, y in zip(a, b))


class Watch:
    """Times of calls, and render frames, from here on."""

    def __init__(self, obs, source):
        self.obs = obs
        self.source = source
        self.times = []
        self.pictures = 0
        self.last = None
        self.begin = obs.frames()
        self.end = self.begin

    def timed(self, ask, *arguments, **named):
        begin = time.monotonic()
        answer = ask(*arguments, **named)
        self.times.append(time.monotonic() - begin)
        return answer

    def look(self, calls=0, seconds=0):
        """Statistics and screenshots by turns, twenty a second."""
        until = time.monotonic() + seconds
        n = 0
        while n < calls or time.monotonic() < until:
            if n % 2:
                picture = self.timed(self.obs.picture, self.source)
                self.pictures += picture != self.last
                self.last = picture
            else:
                self.timed(self.obs.call, "GetStats")
            n += 1
            time.sleep(0.05)
        self.end = self.obs.frames()

    def figures(self):
        times = sorted(self.times)
        total = self.end[0] - self.begin[0]
        skipped = self.end[1] - self.begin[1]
        return {"calls": len(times), "median_ms": 1000 * statistics.median(times),
                "p95_ms": 1000 * times[(len(times) * 95 + 99) // 100 - 1],
                "longest_ms": 1000 * times[-1], "frames": total, "skipped": skipped,
                "pictures": self.pictures}


class Check:
    """What is tried, what came of it."""

    def __init__(self, obs, options, directory):
        self.obs = obs
        self.options = options
        self.prompt_file = directory / "prompt.txt"
        self.results = {}
        self.failed = []
        self.scene = obs.call("GetCurrentProgramScene")["currentProgramSceneName"]

    def expect(self, what, holds, detail=""):
        print(f"  {'yes' if holds else 'NO '} {what}{': ' if detail else ''}{detail}", flush=True)
        if not holds:
            self.failed.append(what)

    # --- what the user makes ---

    def add(self, name, kind, settings, x, y, width):
        item = self.obs.call("CreateInput", sceneName=self.scene, inputName=name, inputKind=kind,
                             inputSettings=settings)["sceneItemId"]
        self.obs.call("SetSceneItemTransform", sceneName=self.scene, sceneItemId=item,
                      sceneItemTransform={"positionX": x, "positionY": y, "boundsWidth": width,
                                          "boundsHeight": width * 3 / 4,
                                          "boundsType": "OBS_BOUNDS_SCALE_INNER"})
        self.obs.call("SetSceneItemLocked", sceneName=self.scene, sceneItemId=item,
                      sceneItemLocked=True)

    def sources(self):
        clip = {"local_file": str(ROOT / "media" / "clip.webm"), "looping": True,
                "hw_decode": False, "close_when_inactive": False}
        self.add("original", "ffmpeg_source", clip, 0, 0, 320)
        self.add(CLIP, "ffmpeg_source", clip, 320, 0, 320)
        self.add(TEST_CARD, "gstreamer-source", {
            "pipeline": "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,"
                        "framerate=30/1 ! video."}, 0, 240, 320)
        self.add(TEXT, "gstreamer-source", {
            "pipeline": "sanasrc is-live=true steps=1 image-duration=2000000000 "
                        "prompt=clouds ! "
                        "video/x-raw,width=256,height=256,framerate=30/1 ! video."}, 320, 240, 320)

    def filter_line(self, prompt):
        return f"sanaimg2img {self.options.model} {prompt} {self.options.filter}"

    def filter(self, source, line):
        self.obs.call("CreateSourceFilter", sourceName=source, filterName="look",
                      filterKind="gstreamer-filter-video", filterSettings={"pipeline": line})

    def unfilter(self, source):
        self.obs.call("RemoveSourceFilter", sourceName=source, filterName="look")

    def apply(self, source, line):
        self.obs.call("SetSourceFilterSettings", sourceName=source, filterName="look",
                      filterSettings={"pipeline": line})

    # --- what is looked at ---

    def measure(self):
        """identity, sanaimg2img, identity, sanaimg2img."""
        watches = {"identity": [], "sanaimg2img": []}
        for _ in range(2):
            for name, seen in watches.items():
                line = "identity" if name == "identity" else self.filter_line(
                    'prompt="a pencil sketch"')
                self.filter(CLIP, line)
                time.sleep(3)
                watch = Watch(self.obs, CLIP)
                watch.look(calls=self.options.calls // 2)
                seen.append(watch)
                self.unfilter(CLIP)
                time.sleep(1)
        for name, seen in watches.items():
            one = seen[0]
            one.times += seen[1].times
            one.pictures += seen[1].pictures
            one.end = (one.end[0] + seen[1].end[0] - seen[1].begin[0],
                       one.end[1] + seen[1].end[1] - seen[1].begin[1])
            self.results[name] = one.figures()
        a, b = self.results["identity"], self.results["sanaimg2img"]
        self.expect("calls answer as soon as with identity",
                    b["p95_ms"] <= a["p95_ms"] + 1000 * SLOWER_CALLS,
                    f"p95 {b['p95_ms']:.1f} ms, identity {a['p95_ms']:.1f} ms")
        skipped = [r["skipped"] / max(r["frames"], 1) for r in (a, b)]
        self.expect("no more frames are skipped", skipped[1] <= skipped[0] + MORE_SKIPPED,
                    f"{100 * skipped[1]:.2f} %, identity {100 * skipped[0]:.2f} %")

    def smooth(self, what, act, seconds=2.0, pictures=1):
        """Does it while watching: of the screenshots, so many show another picture."""
        watch = Watch(self.obs, TEST_CARD)
        watch.look(calls=4)
        watch.timed(act)
        watch.look(seconds=seconds)
        self.results[what] = found = watch.figures()
        self.expect(f"no freeze: {what}", found["longest_ms"] <= 1000 * SLOWEST_CALL and
                    found["pictures"] >= pictures,
                    f"longest call {found['longest_ms']:.1f} ms, {found['skipped']} of "
                    f"{found['frames']} frames skipped, {found['pictures']} new pictures")

    def shows(self, what, source, unlike, least=20.0):
        """Waits until the source's picture is unlike another's; returns it."""
        until = time.monotonic() + self.options.patience
        while True:
            picture = self.obs.picture(source)
            far = difference(picture, unlike)
            if far >= least or time.monotonic() > until:
                break
            time.sleep(0.2)
        self.expect(what, far >= least, f"{far:.1f} of 255 apart")
        return picture

    def walk(self):
        """A user's way with the filter, on a test card in which only the snow moves."""
        plain = self.shows("the test card comes", TEST_CARD, bytes(64 * 36 * 4))
        sketch = self.filter_line('strength=0.8 prompt="a pencil sketch"')
        self.smooth("model loads", lambda: self.filter(TEST_CARD, sketch), 4, 10)
        drawn = self.shows("the filter draws", TEST_CARD, plain)
        for n in (1, 2):
            self.smooth(f"settings applied ({n})", lambda: self.apply(TEST_CARD, sketch))
        self.shows("it draws again", TEST_CARD, plain)
        other = self.filter_line('strength=0.8 prompt="neon lights"')
        self.smooth("prompt changed in the settings", lambda: self.apply(TEST_CARD, other))
        self.shows("the new prompt shows", TEST_CARD, drawn)
        self.prompt_file.write_text("neon lights\n")
        self.apply(TEST_CARD, self.filter_line(f'strength=0.8 prompt-file="{self.prompt_file}"'))
        neon = self.shows("the prompt of the file shows", TEST_CARD, drawn)
        self.smooth("prompt changed in its file",
                    lambda: self.prompt_file.write_text("a pencil sketch\n"))
        self.shows("the file's new prompt shows", TEST_CARD, neon)
        self.smooth("filter removed", lambda: self.unfilter(TEST_CARD))
        far = difference(self.obs.picture(TEST_CARD), plain)
        self.expect("without the filter it is the test card", far < 10, f"{far:.1f} of 255 apart")

    def record(self, seconds=5):
        """With the filter in it, also for the screenshot."""
        self.filter(CLIP, self.filter_line('prompt="a watercolour"'))
        time.sleep(2)
        for name in (CLIP, "original"):
            self.obs.call("TriggerMediaInputAction", inputName=name,
                          mediaAction="OBS_WEBSOCKET_MEDIA_INPUT_ACTION_RESTART")
        time.sleep(1)
        begin = self.obs.frames()
        self.obs.call("StartRecord")
        time.sleep(seconds)
        if self.options.screenshot:
            self.screenshot()
        path = self.obs.call("StopRecord")["outputPath"]
        end = self.obs.frames()
        time.sleep(2)
        said = subprocess.run(
            ["gst-launch-1.0", "-v", "filesrc", f"location={path}", "!", "matroskademux", "!",
             "h264parse", "!", "identity", "name=count", "silent=false", "!", "fakesink"],
            capture_output=True, text=True, check=True).stdout
        frames = said.count("count: last-message = chain")
        least = seconds * 30 - (end[1] - begin[1]) - 30
        self.expect("the recording has its frames", frames >= least, f"{frames} in {seconds} s")

    def screenshot(self):
        subprocess.run(
            ["gst-launch-1.0", "-q", "ximagesrc", f"display-name={self.obs.display}",
             "num-buffers=1", "show-pointer=false", "!", "videoconvert", "!", "jpegenc",
             "quality=80", "!", "filesink", f"location={self.options.screenshot}"], check=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--obs-gstreamer", required=True, help="the built obs-gstreamer.so")
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path,
                        help="build directory with gst/libgstsana.so (build)")
    parser.add_argument("--model", help="a model's directory, for the filter (the bundled one)")
    parser.add_argument("--filter", default="startup-mode=passthrough pacing=repeat",
                        help="properties of the filter (%(default)s)")
    parser.add_argument("--calls", type=int, default=200, help="to measure each filter (200)")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds that a new picture may take (20)")
    parser.add_argument("--screenshot", help="where to write one of OBS's window, JPEG")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--keep", action="store_true", help="print what OBS said")
    options = parser.parse_args()
    if websocket is None:
        sys.exit("obs_check: websocket is not installed (apt-get install python3-websocket)")
    options.model = f'model-path="{options.model}"' if options.model else ""
    return options


def main():
    options = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        obs = Obs(directory, options.obs_gstreamer, options.build.resolve() / "gst")
        check = Check(obs, options, directory)
        try:
            version = obs.call("GetVersion")
            print(f"OBS {version['obsVersion']}, websocket {version['obsWebSocketVersion']}")
            check.sources()
            text = check.shows("sanasrc comes as a source", TEXT, bytes(64 * 36 * 4))
            check.shows("sanasrc draws one picture after another", TEXT, text, 1)
            check.walk()
            check.measure()
            check.record()
        finally:
            alive, said = obs.close()
            if options.keep:
                print(said)
        errors = [line for line in said.splitlines() if "[obs-gstreamer]" in line and not line.startswith("info")]
        check.expect("obs-gstreamer reports no error", not errors, "; ".join(errors[:3]))
        check.expect("OBS still runs at the end", alive, f"status {obs.process.returncode}")
    print(f"{'':32}calls  median     p95  longest  frames  skipped")
    for name, r in check.results.items():
        print(f"{name:32}{r['calls']:5} {r['median_ms']:7.1f} {r['p95_ms']:7.1f} "
              f"{r['longest_ms']:8.1f} {r['frames']:7} {r['skipped']:8}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(check.results, indent=1) + "\n")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
