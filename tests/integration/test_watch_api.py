# SPDX-License-Identifier: Apache-2.0
"""docs/api.yaml says what the daemon answers: paths, and the fields of documents."""
import re

from common import *

PROBE = os.path.join(os.path.dirname(ULLAGE), "tests", "probes", "watch_surface")


def document():
    with open(os.path.join(ROOT, "docs", "api.yaml"), encoding="utf-8") as f:
        return f.read()


def properties(schema):
    """Names below `properties` of a schema, by their indentation."""
    block = re.search(rf"^    {schema}:\n((?:      .*\n)+)", document(), re.M)
    check(block, f"there is no schema {schema}")
    return re.findall(r"^        (\w+):", block[1], re.M)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


@test
def every_path_is_documented_and_no_other():
    with open(os.path.join(ROOT, "src", "surface", "routes.def"), encoding="utf-8") as f:
        routes = re.findall(r'^ROUTE\((\w+), "([^"]*)", "([^"]*)"', f.read(), re.M)
    documented = re.findall(r"^  (/\S*):\n    get:\n      operationId: (\w+)", document(), re.M)
    equal("routes that are not documented", {(path, name) for name, _, path in routes} - set(documented), set())
    for path, _ in documented:
        taken = [r for _, r, _ in routes if path == r or (len(r) > 1 and r.endswith("/") and path.startswith(r))]
        equal(f"routes that take {path}", len(taken), 1)


@test
def every_reference_leads_somewhere():
    text = document()
    for kind, name in set(re.findall(r'"#/components/(\w+)/(\w+)"', text)):
        section = re.search(rf"^  {kind}:\n((?:    .*\n)+)", text, re.M)
        check(section and re.search(rf"^    {name}:", section[1], re.M), f"there is no {kind}/{name}")


@test
def documents_have_the_fields_that_are_documented():
    with Target([PROBE, 2]) as probe:
        port = int(probe.ready.split()[1])
        probe.ask("storm")
        reply, body = get(port, "/api/v1/targets")
        equal("type", reply.headers["Content-Type"], "application/json")
        answer = json.loads(body)
        equal("of all", list(answer), properties("Targets"))
        equal("of a target", list(answer["targets"][0]), properties("Target"))
        equal("of a signal", list(answer["targets"][0]["signals"][0]), properties("Signal"))
        equal("of a class", list(answer["targets"][0]["classes"][0]), properties("Class"))
        equal("order", [t["pid"] for t in answer["targets"]], [1000, 1001])
        reply, body = get(port, "/nothing")
        equal("status", reply.status, 404)
        equal("type", reply.headers["Content-Type"], "application/problem+json")
        equal("of a problem", list(json.loads(body)), properties("Problem"))
