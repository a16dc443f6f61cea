//! Ingresses, Services and endpoints.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AGE, NAME, Printer, abridged, age, column, labels, or, wide};
use crate::object::{items, name, text};

pub(super) const INGRESS: Printer = Printer {
    columns: &[
        NAME,
        column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
        column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"),
        column("Address", "Address is a list containing ingress points for the load-balancer"),
        column("Ports", "Ports of TLS configurations that open"),
        AGE,
    ],
    cells: |ingress, now| {
        let class = or(text(ingress, "/spec/ingressClassName").to_owned(), "<none>");
        let ports = if items(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" };
        vec![
            name(ingress).into(),
            class.into(),
            hosts(items(ingress, "/spec/rules")).into(),
            balancer_addresses(ingress).into_iter().collect::<Vec<_>>().join(",").into(),
            ports.into(),
            age(ingress, now),
        ]
    },
};

/// The first hosts; how many more counts rules, with or without a host, as a real server does.
fn hosts(rules: &[Value]) -> String {
    let mut listed: Vec<&str> = Vec::new();
    let mut more = false;
    for host in rules.iter().map(|rule| text(rule, "/host")) {
        more |= listed.len() == 3;
        if !more && !host.is_empty() {
            listed.push(host);
        }
    }
    match (listed.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, false) => listed.join(","),
        (false, true) => format!("{} + {} more...", listed.join(","), rules.len() - 3),
    }
}

fn balancer_addresses(object: &Value) -> BTreeSet<String> {
    let points = items(object, "/status/loadBalancer/ingress").iter();
    let address = |point: &Value| match (text(point, "/ip"), text(point, "/hostname")) {
        ("", hostname) => hostname.to_owned(),
        (ip, _) => ip.to_owned(),
    };
    points.map(address).filter(|address| !address.is_empty()).collect()
}

pub(super) const INGRESS_CLASS: Printer = Printer {
    columns: &[
        NAME,
        column("Controller", "Controller that is responsible for handling this class"),
        column("Parameters", "A reference to a resource with additional parameters"),
        AGE,
    ],
    cells: |class, now| {
        let parameters = match class.pointer("/spec/parameters") {
            None => "<none>".to_owned(),
            Some(reference) => {
                let group = text(reference, "/apiGroup");
                let dot = if group.is_empty() { "" } else { "." };
                format!("{}{dot}{group}/{}", text(reference, "/kind"), text(reference, "/name"))
            }
        };
        vec![name(class).into(), text(class, "/spec/controller").into(), parameters.into(), age(class, now)]
    },
};

pub(super) const SERVICE: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "type determines how the Service is exposed."),
        column("Cluster-IP", "clusterIP is the IP address of the service and is usually assigned randomly."),
        column(
            "External-IP",
            "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this \
             service.",
        ),
        column("Port(s)", "The list of ports that are exposed by this service."),
        AGE,
        wide("Selector", "Route service traffic to pods with label keys and values matching this selector."),
    ],
    cells: |service, now| {
        let ports = items(service, "/spec/ports").iter().map(|port| {
            let node = port["nodePort"].as_i64().map(|node| format!(":{node}")).unwrap_or_default();
            format!("{}{node}/{}", port["port"], text(port, "/protocol"))
        });
        vec![
            name(service).into(),
            text(service, "/spec/type").into(),
            or(text(service, "/spec/clusterIP").to_owned(), "<none>").into(),
            external(service).into(),
            or(ports.collect::<Vec<_>>().join(","), "<none>").into(),
            age(service, now),
            labels(&service["spec"]["selector"]).into(),
        ]
    },
};

fn external(service: &Value) -> String {
    let external: Vec<String> =
        items(service, "/spec/externalIPs").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match text(service, "/spec/type") {
        "ExternalName" => text(service, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let addresses: Vec<String> = balancer_addresses(service).into_iter().chain(external).collect();
            or(addresses.join(","), "<pending>")
        }
        _ => or(external.join(","), "<none>"),
    }
}

pub(super) const ENDPOINTS: Printer = Printer {
    columns: &[NAME, column("Endpoints", "The set of all endpoints is the union of all subsets."), AGE],
    cells: |endpoints, now| {
        let mut listed = Vec::new();
        for subset in items(endpoints, "/subsets") {
            let addresses = items(subset, "/addresses").iter().map(|address| text(address, "/ip"));
            let ports = items(subset, "/ports");
            for address in addresses {
                let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
                if ports.is_empty() {
                    listed.push(address.to_owned());
                }
                listed.extend(ports.iter().map(|port| format!("{host}:{}", port["port"])));
            }
        }
        vec![name(endpoints).into(), or(abridged(&listed), "<none>").into(), age(endpoints, now)]
    },
};

pub(super) const ENDPOINT_SLICE: Printer = Printer {
    columns: &[
        NAME,
        column("AddressType", "addressType specifies the type of address carried by this EndpointSlice."),
        column(
            "Ports",
            "ports specifies the list of network ports exposed by each endpoint in this slice. Each port must have a \
             unique name.",
        ),
        column("Endpoints", "endpoints is a list of unique endpoints in this slice."),
        AGE,
    ],
    cells: |slice, now| {
        let port = |port: &Value| match (port["port"].as_i64(), text(port, "/name")) {
            (Some(number), _) => number.to_string(),
            (None, "") => "*".to_owned(),
            (None, name) => name.to_owned(),
        };
        let ports: Vec<String> = items(slice, "/ports").iter().map(port).collect();
        let addresses: Vec<String> = items(slice, "/endpoints")
            .iter()
            .flat_map(|endpoint| items(endpoint, "/addresses"))
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        vec![
            name(slice).into(),
            text(slice, "/addressType").into(),
            or(abridged(&ports), "<unset>").into(),
            or(abridged(&addresses), "<unset>").into(),
            age(slice, now),
        ]
    },
};
