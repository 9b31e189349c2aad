{{/* The bootstrap of gateway-configs/envoy/inbound.yaml with the values, and with what probes and Prometheus ask. */}}
{{- define "hub-auth-filter.bootstrap" -}}
{{- $bootstrap := .Files.Get "files/envoy.yaml" | fromYaml -}}
{{- $static := $bootstrap.static_resources -}}
{{- $chain := index (index $static.listeners 0).filter_chains 0 -}}
{{- $manager := (index $chain.filters 0).typed_config -}}
{{- $plugin := (index $manager.http_filters 0).typed_config.config -}}
{{- $_ := set $plugin.configuration "value" (include "hub-auth-filter.filter" .) -}}
{{- $names := include "hub-auth-filter.variable-names" . | fromJsonArray -}}
{{- if $names -}}
{{- $_ := set $plugin.vm_config "environment_variables" (dict "host_env_keys" $names) -}}
{{- end -}}
{{- $_ := set $plugin.vm_config.code.local "filename" "/var/lib/hub-auth-filter/plugin.wasm" -}}
{{- $keystore := include "hub-auth-filter.keystore" . -}}
{{- range $cluster := $static.clusters -}}
{{- $address := (index (index $cluster.load_assignment.endpoints 0).lb_endpoints 0).endpoint.address.socket_address -}}
{{- if eq $cluster.name "keystore" -}}
{{- include "hub-auth-filter.keystore-cluster" (tuple $cluster $keystore) -}}
{{- else if eq $cluster.name "bank" -}}
{{- $_ := set $address "address" (include "hub-auth-filter.backend" $) -}}
{{- $_ := set $address "port_value" $.Values.backend.port -}}
{{- end -}}
{{- end -}}
{{- $metrics := .Files.Get "files/metrics-listener.yaml" | fromYaml -}}
{{- range (.Files.Get "files/metrics-clusters.yaml" | fromYaml).clusters -}}
{{- if eq .name "canary" -}}
{{- $_ := set .transport_socket.typed_config "sni" $.Values.host -}}
{{- $_ := set (index .health_checks 0).http_health_check "host" $.Values.host -}}
{{- end -}}
{{- if or $.Values.canary.enabled (ne .name "canary") -}}
{{- $_ := set $static "clusters" (append $static.clusters .) -}}
{{- end -}}
{{- end -}}
{{- if not .Values.canary.enabled -}}
{{- $manager := (index (index $metrics.filter_chains 0).filters 0).typed_config -}}
{{- $_ := set $manager "http_filters" (rest $manager.http_filters) -}}
{{- end -}}
{{- $_ := set $static "clusters" (concat $static.clusters .Values.envoy.clusters) -}}
{{- $_ := set $static "listeners" (append $static.listeners $metrics) -}}
{{- toYaml $bootstrap -}}
{{- end }}

{{/* Sets the keystore's host in its cluster, wherever it stands. */}}
{{- define "hub-auth-filter.keystore-cluster" -}}
{{- $cluster := index . 0 -}}
{{- $host := index . 1 -}}
{{- $address := (index (index $cluster.load_assignment.endpoints 0).lb_endpoints 0).endpoint.address.socket_address -}}
{{- $_ := set $address "address" $host -}}
{{- $tls := $cluster.transport_socket.typed_config -}}
{{- $_ := set $tls "sni" $host -}}
{{- $_ := set (index $tls.common_tls_context.validation_context.match_typed_subject_alt_names 0).matcher "exact" $host -}}
{{- end }}
