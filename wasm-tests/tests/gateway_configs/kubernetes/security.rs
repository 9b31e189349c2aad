//! What the chart's pods may do: nothing that they do not need.

use serde_json::{Value, json};
use wasm_tests::chart::{named, rendered};

use super::{all_rendered, each_with};

/// Calls this with each pod of what was made, whichever object it is of.
fn each_pod(check: impl Fn(&str, &Value)) {
    let mut pods = 0;
    for (name, made) in all_rendered() {
        for manifest in made {
            let name = format!("{name}: {} {}", manifest["kind"], manifest["metadata"]["name"]);
            each_with(manifest, "containers", &mut |pod| {
                pods += 1;
                check(&name, pod);
            });
        }
    }
    assert!(pods > 20, "{pods}");
}

/// All containers of a pod.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers"].into_iter().flat_map(|key| pod[key].as_array().into_iter().flatten())
}

#[test]
fn no_pod_is_root_or_may_become_it_or_sees_the_machine() {
    each_pod(|name, pod| {
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{name}");
        assert_eq!(security["seccompProfile"], json!({"type": "RuntimeDefault"}), "{name}");
        assert!(security["runAsUser"].as_u64() != Some(0), "{name}");
        for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            assert!(pod[shared].is_null(), "{name}: {shared}");
        }
        for container in containers(pod) {
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(container["securityContext"], expected, "{name}");
            for port in container["ports"].as_array().into_iter().flatten() {
                assert!(port["containerPort"].as_u64() > Some(1023) && port["hostPort"].is_null(), "{name}: {port}");
            }
        }
        for volume in pod["volumes"].as_array().expect("volumes") {
            let kinds: Vec<&String> =
                volume.as_object().expect("a volume").keys().filter(|key| *key != "name").collect();
            let [kind] = kinds[..] else { panic!("{name}: {volume}") };
            assert!(
                ["configMap", "secret", "projected", "emptyDir", "image"].contains(&kind.as_str()),
                "{name}: {kind}"
            );
            assert!(kind != "emptyDir" || volume["emptyDir"]["sizeLimit"].is_string(), "{name}: {volume}");
        }
    });
}

#[test]
fn no_pod_has_a_token_for_the_api_server_but_the_one_that_replaces_the_crl() {
    each_pod(|name, pod| {
        assert_eq!(
            (&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]),
            (&json!(false), &json!(false)),
            "{name}"
        );
        let mut lifetimes = Vec::new();
        each_with(pod, "serviceAccountToken", &mut |source| {
            lifetimes.push(source["serviceAccountToken"]["expirationSeconds"].clone())
        });
        let expected: &[Value] = if pod["serviceAccountName"] == "hub-auth-crl" { &[json!(600)] } else { &[] };
        assert_eq!(lifetimes, expected, "{name}");
    });
    for (name, made) in all_rendered() {
        for account in made.iter().filter(|one| one["kind"] == "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{name}");
        }
    }
}

#[test]
fn no_pod_uses_more_than_it_says_or_changes_by_itself() {
    each_pod(|name, pod| {
        for container in containers(pod) {
            let resources = &container["resources"];
            assert!(resources["requests"]["cpu"].is_string() && resources["requests"]["memory"].is_string(), "{name}");
            assert!(resources["limits"]["memory"].is_string(), "{name}");
            let image = container["image"].as_str().expect("an image");
            let (_, version) =
                image.rsplit_once('/').expect("a registry").1.split_once(':').expect("a tag or a digest");
            assert!(!version.starts_with("latest"), "{name}: {image}");
        }
    });
}

#[test]
fn keys_are_not_for_everybody_in_the_pod_to_read() {
    each_pod(|name, pod| {
        for kind in ["secret", "projected"] {
            for volume in pod["volumes"].as_array().expect("volumes").iter().filter(|volume| volume[kind].is_object()) {
                let has_key =
                    volume.to_string().contains("tls.key") || volume.to_string().contains("token") || kind == "secret";
                let public = volume["secret"]["items"] == json!([{"key": "ca.crl", "path": "trust-framework.pem"}]);
                assert!(!has_key || public || volume[kind]["defaultMode"] == 0o440, "{name}: {volume}");
            }
        }
    });
}

/// Istio's default for a variable is a value that stands in the manifest.
#[test]
fn a_secret_is_named_and_stands_in_no_manifest() {
    let mut seen = 0;
    for (name, made) in all_rendered().iter().filter(|(name, _)| name.ends_with("signing")) {
        let whole = json!(made).to_string();
        assert!(whole.contains("SIG4_PRIVATE_KEY") && !whole.contains("INLINE"), "{name}");
        for plugin in made.iter().filter(|one| one["kind"] == "WasmPlugin") {
            seen += 1;
            let expected = json!([{"name": "SIG4_PRIVATE_KEY", "valueFrom": "HOST"}]);
            assert_eq!(plugin["spec"]["vmConfig"]["env"], expected, "{name}");
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn the_module_is_the_one_that_was_meant() {
    let digest = "88bb1878bc519fb7db4e02e4d44768e78bb55b75eab7e8e9e93da491ba5bfd88";
    for (name, made) in all_rendered() {
        let whole = json!(made).to_string();
        // Where the module is a file already, its image is somebody else's.
        assert_eq!(whole.contains(digest), !name.contains("EnvoyFilter"), "{name}");
        if name.starts_with("envoy: ") {
            let pod = &named(made, "Deployment", "ozone-connect")["spec"]["template"]["spec"];
            let image = format!("@sha256:{digest}");
            let mounted = pod["volumes"]
                .as_array()
                .expect("volumes")
                .iter()
                .filter_map(|volume| volume["image"]["reference"].as_str());
            let copied = pod["initContainers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|container| container["image"].as_str());
            let all: Vec<&str> = mounted.chain(copied).collect();
            assert!(all.len() == 1 && all[0].ends_with(&image), "{name}: {all:?}");
        }
    }
}

#[test]
fn what_replaces_the_crl_may_change_one_object_and_read_none() {
    for (example, resource, name) in [
        ("envoy", "configmaps", "trust-framework-crl"),
        ("envoy-gateway", "configmaps", "trust-framework-crl"),
        ("istio", "secrets", "ozone-connect-cacert"),
    ] {
        let made = rendered(example, &json!({}));
        let rules = json!([{"apiGroups": [""], "resources": [resource], "resourceNames": [name], "verbs": ["patch"]}]);
        assert_eq!(named(&made, "Role", "hub-auth-crl")["rules"], rules, "{example}");
        let kinds = made.iter().filter_map(|one| one["kind"].as_str()).filter(|kind| kind.contains("Role"));
        assert_eq!(kinds.collect::<Vec<_>>(), ["Role", "RoleBinding"], "{example}");
        let job = &named(&made, "CronJob", "hub-auth-crl")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        let object = format!("/api/v1/namespaces/ozone-connect/{resource}/{name}");
        assert_eq!(job["containers"][0]["command"][2], object, "{example}");
    }
}

/// Whoever can write the file with the CAs has Envoy trust another CA.
#[test]
fn what_replaces_the_crl_can_not_replace_the_cas() {
    for example in ["envoy", "envoy-gateway"] {
        let made = rendered(example, &json!({}));
        let whole = json!(made).to_string();
        assert!(whole.contains("trust-framework-ca"), "{example}");
        assert!(!named(&made, "Role", "hub-auth-crl").to_string().contains("trust-framework-ca"), "{example}");
    }
    let made = rendered("istio", &json!({}));
    let policy = made.iter().find(|one| one["kind"] == "ValidatingAdmissionPolicy").expect("a policy");
    let binding = made.iter().find(|one| one["kind"] == "ValidatingAdmissionPolicyBinding").expect("its binding");
    assert_eq!(
        (&binding["spec"]["policyName"], &binding["spec"]["validationActions"]),
        (&policy["metadata"]["name"], &json!(["Deny"]))
    );
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let account = "request.userInfo.username == 'system:serviceaccount:ozone-connect:hub-auth-crl'";
    assert_eq!(policy["spec"]["matchConditions"][0]["expression"], account);
}

#[test]
fn the_backend_is_reached_by_the_gateway_alone() {
    for (example, gateway) in [
        (
            "envoy",
            json!({"podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "hub-auth-filter",
                "app.kubernetes.io/instance": "hub-auth-filter",
                "app.kubernetes.io/component": "gateway",
            }}}),
        ),
        ("istio", json!({"podSelector": {"matchLabels": {"istio": "ozone-connect-gateway"}}})),
        (
            "envoy-gateway",
            json!({
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "envoy-gateway-system"}},
                "podSelector": {"matchLabels": {
                    "gateway.envoyproxy.io/owning-gateway-namespace": "ozone-connect",
                    "gateway.envoyproxy.io/owning-gateway-name": "ozone-connect",
                }},
            }),
        ),
    ] {
        let made = rendered(example, &json!({}));
        let spec = &named(&made, "NetworkPolicy", "ozone-connect-backend")["spec"];
        assert_eq!(spec["podSelector"], json!({"matchLabels": {"app": "ozone-connect-backend"}}), "{example}");
        assert_eq!(
            (&spec["policyTypes"], &spec["ingress"]),
            (&json!(["Ingress"]), &json!([{"from": [gateway]}])),
            "{example}"
        );
    }
}

/// A policy, Service or budget that selects other pods would be none.
#[test]
fn what_is_for_the_pods_of_envoy_selects_them() {
    let made = rendered("envoy", &json!({}));
    let deployment = &named(&made, "Deployment", "ozone-connect")["spec"];
    let labels = &deployment["template"]["metadata"]["labels"];
    let selectors = [
        &deployment["selector"]["matchLabels"],
        &named(&made, "Service", "ozone-connect")["spec"]["selector"],
        &named(&made, "PodDisruptionBudget", "ozone-connect")["spec"]["selector"]["matchLabels"],
        &named(&made, "NetworkPolicy", "ozone-connect")["spec"]["podSelector"]["matchLabels"],
    ];
    for selector in selectors {
        assert_eq!(selector, labels);
    }
    let policy = &named(&made, "NetworkPolicy", "ozone-connect")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let job = &named(&made, "CronJob", "hub-auth-crl")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"];
    assert_eq!(named(&made, "NetworkPolicy", "hub-auth-crl")["spec"]["podSelector"]["matchLabels"], *job);
    assert!(job != labels);
}
