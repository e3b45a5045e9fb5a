"""The page as HTML: jinja2 escapes every text, and a policy forbids every request."""

import json
import pkgutil
from typing import Any, Callable, Dict, Sequence

import jinja2
from markupsafe import Markup

from encoder_ko.report.content import Chart

FILE_NAME = "report.html"
_ASSETS = "assets/"
# Of a script's text: what could end the script, or is no part of a line in old ones.
_IN_SCRIPT = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def chart_specs(**parts: Sequence[Chart]) -> Dict[str, Any]:
    """The specifications by the ids that the templates give their charts."""
    return {
        f"chart-{name}-{number}": chart.spec
        for name, charts in parts.items()
        for number, chart in enumerate(charts)
    }


def render(template: str, content: Dict[str, Any], data: Dict[str, Any]) -> str:
    """The whole page.

    Args:
      template: one of the assets that extend base.html.
      content: what it asks for.
      data: what the script reads: charts and, if the page has them, groups and items.
    """
    parts = dict(
        data=script_json(data),
        style=Markup(asset("page.css")),
        script=Markup(asset("page.js")),
        vega=Markup(asset("vega.js")) if data["charts"] else "",
    )
    return html(template, dict(content, **parts), asset)


def html(template: str, content: Dict[str, Any], load: Callable[[str], str]) -> str:
    """A template with its content, which is escaped unless it is Markup.

    Args:
      load: the text of a template by its name.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return writable(environment.get_template(template).render(content))


def script_json(data: Dict[str, Any]) -> Markup:
    """JSON that stands within <script> whatever its texts hold, "</script>" too."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_IN_SCRIPT))


def writable(text: str) -> str:
    """The text with U+FFFD in place of lone surrogates, which UTF-8 cannot write."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def asset(name: str) -> str:
    """The text of a file of assets/."""
    return (pkgutil.get_data(__package__, _ASSETS + name) or b"").decode("utf-8")
