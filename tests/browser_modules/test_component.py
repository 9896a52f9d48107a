"""The linker: what it joins, and what it refuses."""

from __future__ import annotations

import re
import subprocess
from importlib.resources import files
from pathlib import Path

import playwright
import pytest

from gru_viz.browser import CHARTS, INSPECTOR, SNAPSHOTS, Component
from gru_viz.browser.component import link

NODE = Path(playwright.__file__).parent / "driver" / "node"
COMPONENTS = {"inspector": INSPECTOR, "charts": CHARTS, "snapshots": SNAPSHOTS}


def linked(**modules: str) -> str:
    return link("main.js", {f"{name}.js": source for name, source in modules.items()}.__getitem__)


@pytest.mark.parametrize("name", COMPONENTS)
def test_node_understands_each_linked_component(name: str, tmp_path: Path) -> None:
    (tmp_path / "linked.mjs").write_text(COMPONENTS[name].js, encoding="utf-8")
    script = "const { default: mount } = await import('./linked.mjs'); console.log(typeof mount, mount.length);"
    command = [str(NODE), "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "function 1\n"), done.stderr


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS)
def test_a_linked_component_is_one_module_without_comments(component: Component) -> None:
    assert not re.search(r"^\s*(import|/\*|//)", component.js, re.MULTILINE)
    assert re.findall(r"^export .*", component.js, re.MULTILINE) == ["export default function mount(mounting) {"]
    assert "export" not in component.script
    assert component.script.count("\nfunction mount(mounting) {") == 1


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_module_is_part_of_a_component(name: str) -> None:
    for path in (files("gru_viz.browser") / name).iterdir():
        if path.name.endswith(".js"):
            code = [
                line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"export (?!default)", line)
            ]
            assert all(line.removeprefix("export ") in COMPONENTS[name].js for line in code), path.name


def test_a_module_that_two_import_is_there_once_and_first() -> None:
    source = linked(
        main='import { a } from "./a.js";\nimport { b } from "./b.js";\na(b);\n',
        a='import { b } from "./b.js";\nexport const a = b;\n',
        b="export const b = 1;\n",
    )
    assert source == "const b = 1;\nconst a = b;\na(b);\n"


def test_two_modules_that_define_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"main\.js and a\.js both define size"):
        linked(main='import { a } from "./a.js";\nconst size = 2;\n', a="const size = 1;\nexport function a() {}\n")


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match=r"main\.js imports a\.js imports main\.js"):
        linked(main='import { a } from "./a.js";\n', a='import { b } from "./main.js";\nexport const a = 1;\n')


def test_a_name_that_is_not_exported_is_refused() -> None:
    with pytest.raises(ValueError, match=r"main\.js imports b, which a\.js does not export"):
        linked(main='import { a, b } from "./a.js";\n', a="export const a = 1;\nconst b = 2;\n")


@pytest.mark.parametrize(
    "line",
    [
        'import a from "./a.js";',
        'import * as a from "./a.js";',
        'import { a as b } from "./a.js";',
        'import { a } from "plotly";',
        "import {\n  a,\n} from './a.js';",
        'import "./a.js";',
        "export { a };",
        'export * from "./a.js";',
        "export default 1;",
        "export const { a } = {};",
        "const [a] = [1];",
        "var a = 1;",
    ],
)
def test_what_the_linker_does_not_understand_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not understood"):
        linked(main=f"{line}\n", a="export const a = 1;\n")
