"""What pyproject.toml cannot say: the pages are at the top of the repository, and inside the package in a wheel."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PAGES = ("dashboard.py", "pages/*.py", ".streamlit/config.toml")


class BuildWithPages(build_py):
    """Copies the pages to ``gru_viz/page``, where ``gru_viz.cli`` finds them without a repository around it."""

    def run(self) -> None:
        """Build the modules, then add the pages; an editable install has them where they are."""
        super().run()
        if self.editable_mode:
            return
        for source in (path for pattern in PAGES for path in sorted(ROOT.glob(pattern))):
            target = Path(self.build_lib, "gru_viz", "page", source.relative_to(ROOT))
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))


setup(cmdclass={"build_py": BuildWithPages})
