"""The report of a benchmark as one HTML page that needs nothing but itself.

The page is the Markdown of `report`, rendered; its pictures are put into it.
"""

import base64
import html
from typing import Callable

import markdown
from markdown.extensions.toc import TocExtension, slugify_unicode
from markdown.treeprocessors import Treeprocessor

from encoder_ko.benchmark import report

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2530; --soft: #5b6675; --line: #dde2e8;
  --band: #f5f7f9; --paper: #fff; --accent: #0a5fa5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #a3adba;
  --line: #3a424d; --band: #20262e; --paper: #161b22; --accent: #6cb2f2; } }
* { box-sizing: border-box; }
body { max-width: 1180px; margin: 0 auto; padding: 2.2rem 1.4rem 4rem;
  color: var(--ink); background: var(--paper); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans KR",
  "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none;
  margin: 0 0 1rem; padding: 0; font-size: .92rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .7rem; padding-top: .4rem; }
p, li { max-width: 75ch; overflow-wrap: anywhere; }
table { display: block; overflow-x: auto; border-collapse: collapse;
  font-size: .92rem; font-variant-numeric: tabular-nums; }
th { font-weight: 600; color: var(--soft); font-size: .82rem; vertical-align: bottom;
  border-bottom: 2px solid var(--line); }
th, td { padding: .5rem .6rem; text-align: left; }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:hover { background: var(--band); }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
img { max-width: min(100%, 34.8rem); max-height: 24rem; height: auto;
  vertical-align: top; border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem; background: #fff; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px;
  padding: .8rem 1rem; font-size: .82rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  img, tr { break-inside: avoid; } }
"""


def page(benchmark: report.Benchmark, read_picture: Callable[[str], bytes]) -> str:
    """The whole page.

    Args:
      read_picture: the path of a Picture -> the bytes of its PNG, which become part of
        the page.
    """
    contents = TocExtension(toc_depth="2-2", slugify=slugify_unicode)
    renderer = markdown.Markdown(
        extensions=["tables", "fenced_code", contents], output_format="html"
    )
    renderer.treeprocessors.register(_Embedding(read_picture), "embedding", 0)
    body = renderer.convert(report.markdown(benchmark))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(benchmark.title)}</title>\n<style>{_STYLE}</style>\n"
        f"</head>\n<body>\n<nav>{renderer.toc}</nav>\n{body}\n</body>\n</html>\n"
    )


class _Embedding(Treeprocessor):
    """Puts pictures into the page, and their captions where the mouse rests."""

    def __init__(self, read_picture):
        super().__init__()
        self._read_picture = read_picture

    def run(self, root):
        for image in root.iter("img"):
            data = base64.b64encode(self._read_picture(image.get("src")))
            image.set("src", "data:image/png;base64," + data.decode("ascii"))
            image.set("title", image.get("alt"))
