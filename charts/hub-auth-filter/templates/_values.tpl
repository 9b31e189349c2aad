{{/* What follows from the values. */}}

{{/* The labels of what the chart adds to the gateways' own manifests. */}}
{{- define "hub-auth-filter.labels" -}}
app.kubernetes.io/name: hub-auth-filter
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The labels of the pods of Envoy. */}}
{{- define "hub-auth-filter.pod-labels" -}}
app.kubernetes.io/name: hub-auth-filter
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* The Trust Framework's keystore. */}}
{{- define "hub-auth-filter.keystore" -}}
{{- if eq .Values.environment "production" -}}
keystore.directory.openfinance.ae
{{- else -}}
keystore.sandbox.directory.openfinance.ae
{{- end -}}
{{- end }}

{{/* The CRL of its issuing CA. */}}
{{- define "hub-auth-filter.crl-url" -}}
{{- if .Values.crl.url -}}
{{ .Values.crl.url }}
{{- else if eq .Values.environment "production" -}}
http://crl.pki.openfinance.ae/issuer.crl
{{- else -}}
http://crl.sandbox.pki.openfinance.ae/issuer.crl
{{- end -}}
{{- end }}

{{/* The port that it is fetched from. */}}
{{- define "hub-auth-filter.crl-port" -}}
{{- $url := include "hub-auth-filter.crl-url" . | urlParse -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end }}

{{/* The backend, by a name that resolves. */}}
{{- define "hub-auth-filter.backend" -}}
{{- .Values.backend.host | default (printf "%s.%s.svc.cluster.local" .Values.backend.service .Release.Namespace) -}}
{{- end }}

{{/* The filter's configuration, as JSON, with the gateway's name for the keystore's cluster. */}}
{{- define "hub-auth-filter.filter" -}}
{{- $filter := deepCopy .Values.filter -}}
{{- $jwt := dig "inbound" "auth" "jwt_auth" nil $filter -}}
{{- if and $jwt (not $jwt.upstream) -}}
{{- $upstream := eq .Values.gateway "istio" | ternary (printf "outbound|443||%s" (include "hub-auth-filter.keystore" .)) "keystore" -}}
{{- $_ := set $jwt "upstream" $upstream -}}
{{- end -}}
{{- mustToPrettyJson $filter -}}
{{- end }}

{{/* The names of the variables that the filter may see, as JSON. */}}
{{- define "hub-auth-filter.variable-names" -}}
{{- $names := list -}}
{{- range .Values.variables -}}{{- $names = append $names .name -}}{{- end -}}
{{- mustToJson $names -}}
{{- end }}

{{/* The same as a container has them. */}}
{{- define "hub-auth-filter.variables" -}}
{{- range .Values.variables }}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- end }}
{{- end }}

{{/* The image with the module, and its tag. */}}
{{- define "hub-auth-filter.module" -}}
{{ .Values.module.repository }}:{{ .Values.module.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The Secret with S4. */}}
{{- define "hub-auth-filter.server-secret" -}}
{{- .Values.certificates.server | default (eq .Values.gateway "istio" | ternary "ozone-connect" "ozone-connect-s4") -}}
{{- end }}

{{/* What a pod may do: nothing that it does not need. */}}
{{- define "hub-auth-filter.pod-security" -}}
runAsNonRoot: true
{{- if .Values.user }}
runAsUser: {{ .Values.user }}
runAsGroup: {{ .Values.user }}
fsGroup: {{ .Values.user }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What a container may do, likewise. */}}
{{- define "hub-auth-filter.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
