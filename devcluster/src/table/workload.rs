//! Pods, nodes and deployments.

use serde_json::Value;

use super::{AGE, NAME, Printer, age, column, labels, or, wide};
use crate::object::{is_terminating, items, name, text};

pub(super) const POD: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        column("Status", "The aggregate status of the containers in this pod."),
        column("Restarts", "The number of times the containers in this pod have been restarted."),
        AGE,
        wide("IP", "podIP address allocated to the pod."),
        wide("Node", "NodeName indicates in which node this pod is scheduled."),
        wide("Nominated Node", "nominatedNodeName is set only when this pod preempts other pods on the node."),
        wide("Readiness Gates", "If specified, all readiness gates will be evaluated for pod readiness."),
    ],
    cells: |pod, now| {
        let statuses = items(pod, "/status/containerStatuses");
        let ready = statuses.iter().filter(|status| status["ready"] == true).count();
        let restarts: i64 = statuses.iter().filter_map(|status| status["restartCount"].as_i64()).sum();
        let status = match (is_terminating(pod), text(pod, "/status/reason")) {
            (true, _) => "Terminating",
            (false, "") => text(pod, "/status/phase"),
            (false, reason) => reason,
        };
        let none = |pointer: &str| or(text(pod, pointer).to_owned(), "<none>");
        vec![
            name(pod).into(),
            format!("{ready}/{}", items(pod, "/spec/containers").len()).into(),
            status.into(),
            restarts.to_string().into(),
            age(pod, now),
            none("/status/podIP").into(),
            none("/spec/nodeName").into(),
            none("/status/nominatedNodeName").into(),
            "<none>".into(),
        ]
    },
};

pub(super) const NODE: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "The status of the node"),
        column("Roles", "The roles of the node"),
        AGE,
        column("Version", "Kubelet Version reported by the node."),
        wide("Internal-IP", "List of addresses reachable to the node."),
        wide("External-IP", "List of addresses reachable to the node."),
        wide("OS-Image", "OS Image reported by the node from /etc/os-release."),
        wide("Kernel-Version", "Kernel Version reported by the node."),
        wide("Container-Runtime", "ContainerRuntime Version reported by the node."),
    ],
    cells: |node, now| {
        let ready = items(node, "/status/conditions").iter().find(|condition| condition["type"] == "Ready");
        let mut status = match ready {
            Some(condition) if condition["status"] == "True" => "Ready".to_owned(),
            Some(_) => "NotReady".to_owned(),
            None => "Unknown".to_owned(),
        };
        if node["spec"]["unschedulable"] == true {
            status.push_str(",SchedulingDisabled");
        }
        let roles = node["metadata"]["labels"].as_object().into_iter().flatten();
        let roles: Vec<&str> = roles.filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/")).collect();
        let address = |kind: &str| {
            let addresses = items(node, "/status/addresses").iter();
            let found = addresses.filter(|address| address["type"] == kind).map(|address| text(address, "/address"));
            or(found.take(1).collect(), "<none>")
        };
        let system = |field: &str| or(text(node, &format!("/status/nodeInfo/{field}")).to_owned(), "<unknown>");
        vec![
            name(node).into(),
            status.into(),
            or(roles.join(","), "<none>").into(),
            age(node, now),
            text(node, "/status/nodeInfo/kubeletVersion").into(),
            address("InternalIP").into(),
            address("ExternalIP").into(),
            system("osImage").into(),
            system("kernelVersion").into(),
            system("containerRuntimeVersion").into(),
        ]
    },
};

pub(super) const DEPLOYMENT: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "Number of the pod with ready state"),
        column("Up-to-date", "Total number of non-terminated pods targeted by this deployment that are up to date."),
        column("Available", "Total number of available non-terminating pods targeted by this deployment."),
        AGE,
        wide("Containers", "Names of each container in the template."),
        wide("Images", "Images referenced by each container in the template."),
        wide("Selector", "Label selector for pods."),
    ],
    cells: |deployment, now| {
        let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
        let containers = items(deployment, "/spec/template/spec/containers");
        let joined = |pointer: &str| {
            let texts: Vec<&str> = containers.iter().map(|container| text(container, pointer)).collect();
            texts.join(",")
        };
        vec![
            name(deployment).into(),
            format!("{}/{}", number("/status/readyReplicas"), number("/spec/replicas")).into(),
            number("/status/updatedReplicas").to_string().into(),
            number("/status/availableReplicas").to_string().into(),
            age(deployment, now),
            joined("/name").into(),
            joined("/image").into(),
            labels(&deployment["spec"]["selector"]["matchLabels"]).into(),
        ]
    },
};
