"""The plugin's JSDoc types, checked by the TypeScript compiler against OpenCode's own declarations."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from remote_code.opencode.install import PLUGIN_DIR
from tests.support.opencode import VERSION

pytestmark = [
    pytest.mark.opencode,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is missing"),
]

BUILD = Path(__file__).parents[2] / "build" / "types"
PACKAGES = ["typescript@5.9", f"@opencode-ai/plugin@{VERSION}", "@types/node@22"]


def test_the_plugin_fits_opencodes_types(tmp_path: Path) -> None:
    """OC-1."""
    modules = BUILD / "node_modules"
    if not (modules / "@types" / "node").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(BUILD), *PACKAGES]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    options = {
        "allowJs": True,
        "checkJs": True,
        "noEmit": True,
        "strict": True,
        "skipLibCheck": True,
        "target": "ES2023",
        "lib": ["ES2023"],
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "types": ["node"],
    }
    shutil.copytree(PLUGIN_DIR, tmp_path / "plugin")
    (tmp_path / "node_modules").symlink_to(modules)
    project = tmp_path / "tsconfig.json"
    project.write_text(json.dumps({"compilerOptions": options, "include": ["plugin/*.js"]}), encoding="utf-8")
    compiler = modules / "typescript" / "bin" / "tsc"
    ended = subprocess.run(
        ["node", str(compiler), "--project", str(project)], capture_output=True, text=True, check=False
    )
    assert ended.stdout == ""


def test_the_plugin_imports_nothing_from_npm() -> None:
    """OC-1."""
    sources = {
        path.name: path.read_text(encoding="utf-8") for path in PLUGIN_DIR.iterdir() if path.suffix in {".js", ".tsx"}
    }
    imported = {
        line.rpartition(" from ")[2].strip('"')
        for text in sources.values()
        for line in text.splitlines()
        if line.startswith("import ")
    }
    assert set(sources) == {"engine.js", "index.js", "progress.js", "shell.js", "status.js", "tui.tsx"}
    assert all(name.startswith(("node:", "./")) for name in imported)
