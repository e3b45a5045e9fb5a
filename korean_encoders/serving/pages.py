"""The pages: HTML that asks nobody but this server for anything."""

import json
import pkgutil
import re
from typing import Any, Dict, List, Sequence

from markupsafe import Markup

from encoder_ko.report import page
from korean_encoders.serving.runs import ServedRun


def trial_page(runs: Sequence[ServedRun], limits: Any) -> str:
    """A page with a box for the texts of each run.

    Args:
      limits: app.Limits.
    """
    data = {
        "runs": [dict(run.facts, examples=run.examples) for run in runs],
        "most_bytes": limits.bytes,
    }
    title = "Try " + ", ".join(run.name for run in runs[:3])
    return _render(
        "trial.html",
        title=title if len(runs) <= 3 else f"Try {len(runs)} models",
        runs=[run.facts for run in runs],
        data=page.script_json(data),
        script=Markup(_asset("trial.js")),
    )


def manual_page(openapi: Dict[str, Any]) -> str:
    """What the server answers to, from its description in OpenAPI's form."""
    schemas = openapi["components"]["schemas"]
    return _render(
        "manual.html",
        title=f"{openapi['info']['title']}: requests",
        operations=_operations(openapi),
        schemas=[{"name": n, **_schema(schemas[n])} for n in _mentioned(openapi)],
    )


def _mentioned(openapi: Dict[str, Any]) -> List[str]:
    """The names of the schemas, in the order in which one comes to them."""
    schemas = openapi["components"]["schemas"]
    found: List[str] = []
    text = json.dumps(openapi["paths"])
    while text:
        names = re.findall(r"#/components/schemas/(\w+)", text)
        new = [name for name in dict.fromkeys(names) if name not in found]
        found += new
        text = "".join(json.dumps(schemas[name]) for name in new)
    return found


def _operations(openapi: Dict[str, Any]) -> List[Dict[str, Any]]:
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation["summary"],
            "description": operation.get("description", ""),
            "parameters": [
                {
                    "name": each["name"],
                    "type": _type(each["schema"]).replace(" or null", ""),
                    "description": each.get("description", ""),
                }
                for each in operation.get("parameters", ())
            ],
            "body": _body(operation),
            "answers": [
                (status, answer["description"])
                for status, answer in operation["responses"].items()
            ],
        }
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]


def _body(operation: Dict[str, Any]) -> str:
    for media_type, content in (
        operation.get("requestBody", {}).get("content", {}).items()
    ):
        return f"{_type(content['schema'])}, as {media_type}"
    return ""


def _schema(schema: Dict[str, Any]) -> Dict[str, Any]:
    example = next(iter(schema.get("examples", ())), None)
    return {
        "description": schema.get("description", ""),
        "example": example and json.dumps(example, ensure_ascii=False),
        "fields": [
            {
                "name": name,
                "type": _type(field),
                "required": name in schema.get("required", ()),
                "description": field.get("description", ""),
            }
            for name, field in schema["properties"].items()
        ],
    }


def _type(schema: Dict[str, Any]) -> str:
    """ "list of string or TextInput", in words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return schema.get("type", "any")


def _render(template: str, **content: Any) -> str:
    style = Markup(page.asset("page.css") + _asset("serving.css"))
    return page.html(template, dict(content, style=style), _asset)


def _asset(name: str) -> str:
    return (pkgutil.get_data(__package__, f"assets/{name}") or b"").decode("utf-8")
