# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the script `make` promises; apart, since it takes nothing but Python itself."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest


class Make(unittest.TestCase):
    """The script `make`, in a copy of the tree that has stand-ins for Python and `evaluate`."""

    # says what it is called with, and lives on where it makes the model
    PYTHON = """#!/bin/sh
echo "${1##*/} $*"
case $* in *make_model.py*--live*) echo $$ >"$(dirname "$0")/pid"; exec sleep 60 ;; esac
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.bin = self.root / "work/venv/bin"
        here = pathlib.Path(__file__).parent
        for name in ("tools/demo-model/make", "tools/demo-model/requirements.txt",
                     "scripts/common.sh"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here.parent.parent / name, self.root / name)
        for folder in ("work/model", "models/demo", "docs", "build/gst", "tests/golden/demo"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "build/gst/libgstsana.so").touch()
        self.bin.mkdir(parents=True)
        shutil.copy(here / "requirements.txt", self.bin.parent)
        for path, text in ((self.bin / "python", self.PYTHON),
                           (self.root / "tools/demo-model/evaluate", "#!/bin/sh\necho measured\n")):
            path.write_text(text)
            path.chmod(0o755)

    def start(self, *words):
        """In a group of its own, as a terminal has it."""
        made = self.root / "tools/demo-model/make"
        env = {k: v for k, v in os.environ.items() if k != "SANA_BUILD"}
        return subprocess.Popen([made, self.root / "work", *words], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=env,
                                start_new_session=True)

    def make(self, *words):
        """Its exit status, and what it said."""
        process = self.start(*words)
        said = process.communicate()[0]
        return process.returncode, said

    def test_until_a_stage_it_measures_nothing(self):
        for words in (("--until", "crops"), ("--until=crops",)):
            status, said = self.make(*words)
            self.assertEqual(status, 0, said)
            self.assertIn("until crops", said)
            self.assertNotIn("measured", said)
        for words in ((), ("--until", "export")):
            status, said = self.make(*words)
            self.assertEqual(status, 0, said)
            self.assertIn("measured", said)

    def test_it_installs_whole_models_only(self):
        for words in (("--toy",), ("--until", "text")):
            status, said = self.make("--install", *words)
            self.assertEqual(status, 1, said)
            self.assertIn(" ".join(words), said)
            self.assertNotIn("make_model.py", said)

    def test_weak_styles_stay_weak(self):
        (self.root / "tests/golden/demo/styles.txt").write_text("photo\noil weak\nneon weak\n")
        status, said = self.make("--install")
        self.assertEqual(status, 0, said)
        self.assertIn("tests/golden/demo oil neon\n", said)

    def test_its_child_ends_with_it(self):
        for number, send in ((signal.SIGTERM, os.kill), (signal.SIGINT, os.kill),
                             (signal.SIGINT, os.killpg)):
            process = self.start("--live")
            path, until = self.bin / "pid", time.monotonic() + 30
            while not (path.exists() and path.read_text().strip()):
                self.assertLess(time.monotonic(), until)
                time.sleep(.01)
            send(process.pid, number)
            said = process.communicate(timeout=30)[0]
            self.assertEqual(process.returncode, 130, said)
            self.assertIn("stopped; the same command goes on", said)
            self.assertNotIn("measured", said)
            with self.assertRaises(ProcessLookupError):
                os.kill(int(path.read_text()), 0)
            path.unlink()

    def test_a_child_that_is_killed_is_a_sentence(self):
        (self.bin / "python").write_text("#!/bin/sh\nkill -KILL $$\n")
        status, said = self.make()
        self.assertEqual(status, 1)
        self.assertIn("signal 9", said)


if __name__ == "__main__":
    unittest.main()
