//! Dependencies point one way: the forbidden edges between crates, proved on cargo's own graph.
//!
//! Only edges that end up in the shipped program count; what a test needs besides is its own affair.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::tidy::Finding;

/// The crates of this repository that a crate may reach, itself aside.
const MAY_REACH: [(&str, &[&str]); 10] = [
    ("longhaul-core", &[]),
    ("longhaul-engine", &["longhaul-core"]),
    ("longhaul-store", &["longhaul-core"]),
    ("longhaul-workspace", &["longhaul-core"]),
    ("longhaul-sandbox", &["longhaul-core"]),
    ("longhaul-services", &["longhaul-core"]),
    ("longhaul-audit", &["longhaul-core"]),
    (
        "longhaul-wiring",
        &["longhaul-audit", "longhaul-core", "longhaul-engine", "longhaul-store", "longhaul-workspace"],
    ),
    (
        "longhaul-simulation",
        &[
            "longhaul-audit",
            "longhaul-core",
            "longhaul-engine",
            "longhaul-store",
            "longhaul-wiring",
            "longhaul-workspace",
        ],
    ),
    (
        "longhaul-server",
        &[
            "longhaul-audit",
            "longhaul-core",
            "longhaul-engine",
            "longhaul-wiring",
            "longhaul-store",
            "longhaul-workspace",
        ],
    ),
];

/// Outside crates that a crate may not reach, not even through others.
const MAY_NOT_REACH: [(&str, &[&str]); 2] = [
    ("longhaul-core", &["tokio", "wasmtime", "rusqlite", "cap-std"]),
    ("longhaul-engine", &["wasmtime", "rusqlite", "cap-std"]),
];

/// Outside crates, by the beginning of their names, that only one crate may name.
const NAMED_ONLY_BY: [(&str, &str); 2] = [("wasmtime", "longhaul-sandbox"), ("rusqlite", "longhaul-store")];

/// Folders whose crates run inside the sandbox: they reach no crate of the host.
const GUEST_SIDE: [&str; 3] = ["plugins/", "plugin-sdk/", "tests/guests/"];

/// A package and what it depends on.
#[derive(Debug)]
struct Node {
    name: String,
    /// The manifest relative to the root folder, for members of the workspace.
    manifest: Option<String>,
    needs: Vec<String>,
}

/// Checks the graph that `cargo metadata` printed.
pub(crate) fn check(metadata: &Value) -> Vec<Finding> {
    let graph = graph(metadata);
    let mut findings = Vec::new();
    for (id, node) in &graph {
        let Some(manifest) = &node.manifest else { continue };
        let reached = reached(&graph, id);
        let mut report = |path: &[String]| {
            let edge = path.join(" → ");
            let advice = "the design forbids it: move the code, or invert it with a trait in the crate that needs it";
            findings.push(Finding::new(manifest, 1, format!("forbidden dependency {edge}"), advice));
        };
        for path in reached.values().filter(|path| path.len() > 1) {
            let end = path.last().map(String::as_str).unwrap_or_default();
            let host = graph.values().any(|other| other.name == end && is_in(other, "host/"));
            let guest_side = GUEST_SIDE.iter().any(|folder| manifest.starts_with(folder));
            let outside = lookup(&MAY_NOT_REACH, &node.name).is_some_and(|banned| banned.contains(&end));
            let inside = host && lookup(&MAY_REACH, &node.name).is_some_and(|allowed| !allowed.contains(&end));
            let named = path.len() == 2
                && NAMED_ONLY_BY.iter().any(|(prefix, owner)| end.starts_with(prefix) && node.name != *owner);
            if outside || inside || named || (guest_side && host) {
                report(path);
            }
        }
    }
    findings
}

fn lookup<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, values)| *values)
}

fn is_in(node: &Node, folder: &str) -> bool {
    node.manifest.as_ref().is_some_and(|manifest| manifest.starts_with(folder))
}

/// The shortest path by names to everything that a package reaches.
fn reached(graph: &BTreeMap<String, Node>, start: &str) -> BTreeMap<String, Vec<String>> {
    let name = |id: &str| graph.get(id).map_or_else(|| id.to_owned(), |node| node.name.clone());
    let mut paths = BTreeMap::from([(start.to_owned(), vec![name(start)])]);
    let mut queue = VecDeque::from([start.to_owned()]);
    while let Some(id) = queue.pop_front() {
        let path = paths.get(&id).cloned().unwrap_or_default();
        for need in graph.get(&id).map(|node| node.needs.as_slice()).unwrap_or_default() {
            if !paths.contains_key(need) {
                let mut longer = path.clone();
                longer.push(name(need));
                paths.insert(need.clone(), longer);
                queue.push_back(need.clone());
            }
        }
    }
    paths
}

fn graph(metadata: &Value) -> BTreeMap<String, Node> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let members: Vec<&str> = list(&metadata["workspace_members"]).iter().filter_map(Value::as_str).collect();
    let mut graph = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let id = package["id"].as_str().unwrap_or_default();
        let manifest = package["manifest_path"].as_str().and_then(|path| path.strip_prefix(root));
        let manifest = manifest.map(|path| path.trim_start_matches('/').to_owned());
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let node = Node { name, manifest: manifest.filter(|_| members.contains(&id)), needs: Vec::new() };
        graph.insert(id.to_owned(), node);
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let shipped = |need: &&Value| list(&need["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let needs = list(&node["deps"]).iter().filter(shipped).filter_map(|need| need["pkg"].as_str());
        if let Some(known) = graph.get_mut(node["id"].as_str().unwrap_or_default()) {
            known.needs = needs.map(str::to_owned).collect();
        }
    }
    graph
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A workspace of packages `(name, folder)` with edges `(from, to, kind)`; a folder outside is a registry package.
    fn found(packages: &[(&str, &str)], edges: &[(&str, &str, Value)]) -> Vec<String> {
        let member = |folder: &str| !folder.starts_with("/cache");
        let package = |(name, folder): &(&str, &str)| {
            let manifest =
                if member(folder) { format!("/root/{folder}/Cargo.toml") } else { format!("{folder}/Cargo.toml") };
            json!({"id": name, "name": name, "manifest_path": manifest})
        };
        let node = |(name, _): &(&str, &str)| {
            let deps = edges.iter().filter(|(from, _, _)| from == name);
            let deps: Vec<Value> =
                deps.map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]})).collect();
            json!({"id": name, "deps": deps})
        };
        let metadata = json!({
            "workspace_root": "/root",
            "workspace_members": packages.iter().filter(|(_, folder)| member(folder)).map(|(name, _)| *name).collect::<Vec<_>>(),
            "packages": packages.iter().map(package).collect::<Vec<_>>(),
            "resolve": {"nodes": packages.iter().map(node).collect::<Vec<_>>()},
        });
        check(&metadata).iter().map(ToString::to_string).collect()
    }

    const HOST: [(&str, &str); 5] = [
        ("longhaul-core", "host/core"),
        ("longhaul-engine", "host/engine"),
        ("longhaul-store", "host/store"),
        ("longhaul-sandbox", "host/sandbox"),
        ("codemod", "plugins/agents/codemod"),
    ];

    #[test]
    fn the_design_itself_passes() {
        let edges = [
            ("longhaul-engine", "longhaul-core", Value::Null),
            ("longhaul-store", "longhaul-core", Value::Null),
            ("longhaul-engine", "longhaul-store", json!("dev")),
        ];
        assert_eq!(found(&HOST, &edges), [""; 0]);
    }

    #[test]
    fn each_forbidden_edge_between_our_crates_is_found() {
        for (from, to) in [
            ("longhaul-core", "longhaul-store"),
            ("longhaul-store", "longhaul-sandbox"),
            ("longhaul-store", "longhaul-engine"),
            ("longhaul-engine", "longhaul-store"),
            ("codemod", "longhaul-core"),
        ] {
            let found = found(&HOST, &[(from, to, Value::Null)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!("{from} → {to}")), "{found:?}");
        }
    }

    #[test]
    fn an_outside_crate_is_found_behind_another_one() {
        let mut packages = HOST.to_vec();
        packages.extend([("helper", "/cache/helper"), ("rusqlite", "/cache/rusqlite"), ("wasmtime-wasi", "/cache/ww")]);
        let edges = [("longhaul-engine", "helper", Value::Null), ("helper", "rusqlite", Value::Null)];
        let behind = found(&packages, &edges);
        assert!(behind[0].contains("longhaul-engine → helper → rusqlite"), "{behind:?}");
        let named = found(&packages, &[("longhaul-store", "wasmtime-wasi", Value::Null)]);
        assert!(named[0].starts_with("host/store/Cargo.toml:1:"), "{named:?}");
        assert_eq!(found(&packages, &[("longhaul-sandbox", "wasmtime-wasi", Value::Null)]), [""; 0]);
    }
}
