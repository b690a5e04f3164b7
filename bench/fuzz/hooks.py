"""Bodies that schemathesis does not know: newline-delimited JSON, one value a line."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_, value):
    if isinstance(value, (bytes, str)):
        return {"data": value}
    values = value if isinstance(value, list) else [value]
    return {"data": "".join(json.dumps(one) + "\n" for one in values).encode()}
