"""What the operator may set."""

import json

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Settings of the my-lb provider",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "indent": {
            "description": "Whether routes.json is written for people, over many lines.",
            "type": "boolean",
            "default": True,
        }
    },
}


class Settings:
    """The settings. A key that is not known, or a value that cannot be used, is an error that names it."""

    def __init__(self, text: str) -> None:
        given = json.loads(text)
        if not isinstance(given, dict):
            raise ValueError("the settings are no object")
        for key in given:
            if key not in SCHEMA["properties"]:
                raise ValueError(f"there is no setting `{key}`; there are: {', '.join(SCHEMA['properties'])}")
        self.indent = given.get("indent", True)
        if not isinstance(self.indent, bool):
            raise ValueError("`indent` is neither true nor false")
