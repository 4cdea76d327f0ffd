"""Reads `cargo metadata`. Fails if a dependency of the library promises less than the library: its
`rust-version` is newer. Dependencies that name no `rust-version` are listed."""

import json
import sys

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = next(p for p in packages.values() if p["name"] == "websocket-proto")


def version(text):
    return tuple(int(part) for part in (text + ".0.0").split(".")[:3])


todo, seen = [root["id"]], set()
while todo:
    id = todo.pop()
    if id not in seen:
        seen.add(id)
        for dep in nodes[id]["deps"]:
            if any(kind["kind"] != "dev" for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])

promise = version(root["rust_version"])
newer = [p for i in seen if (p := packages[i])["rust_version"] and version(p["rust_version"]) > promise]
silent = sorted(packages[i]["name"] for i in seen if not packages[i]["rust_version"])
print(f"{len(seen) - 1} dependencies; without a promise: {', '.join(silent) or 'none'}")
for package in newer:
    print(f"{package['name']} {package['version']} needs Rust {package['rust_version']}")
sys.exit(bool(newer))
