{{/* What no schema can say, each wrong value in a sentence. Every template that makes something asks this first. */}}
{{- define "hub-auth-filter.check" -}}
{{- if not (contains "static_resources" (.Files.Get "files/envoy.yaml")) -}}
{{- fail "\n\nThe chart's files/ are not what its links lead to: take the packed chart (make chart), or a checkout that has links.\n" -}}
{{- end -}}
{{- $values := .Values -}}
{{- $wrong := list -}}
{{- range tuple
  (tuple "host" $values.host "the name by which the Hub calls you")
  (tuple "module.repository" $values.module.repository "your registry's image of the module")
  (tuple "module.digest" $values.module.digest "sha256: and the 64 hexadecimal digits of that image")
-}}
{{- if not (index . 1) -}}
{{- $wrong = append $wrong (printf "%s: expected %s, got nothing" (index . 0) (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- if eq (empty $values.backend.service) (empty $values.backend.host) -}}
{{- $wrong = append $wrong (printf "backend: expected either service or host, got %s" (empty $values.backend.host | ternary "neither" "both")) -}}
{{- end -}}
{{- if and (eq $values.gateway "envoy-gateway") $values.backend.host -}}
{{- $wrong = append $wrong "backend.host: expected a Service of this namespace in backend.service, got another name: an HTTPRoute knows Services only" -}}
{{- end -}}
{{- $inbound := $values.filter.inbound -}}
{{- if not $inbound -}}
{{- $wrong = append $wrong "filter.inbound: expected the filter's configuration for requests of the Hub, got nothing" -}}
{{- end -}}
{{- if $values.filter.outbound -}}
{{- $wrong = append $wrong "filter.outbound: expected filter.inbound only, got outbound: the bank's own requests have another gateway" -}}
{{- end -}}
{{- $jwks := dig "auth" "jwt_auth" "jwks" "environment" "" ($inbound | default dict) -}}
{{- if and $jwks (ne $jwks $values.environment) -}}
{{- $wrong = append $wrong (printf "filter.inbound.auth.jwt_auth.jwks.environment: expected %s, as in environment, got %s" $values.environment $jwks) -}}
{{- end -}}
{{- if and (or $values.crl.enabled (and $values.canary.enabled (ne $values.gateway "envoy"))) (not $values.tools.image) -}}
{{- $wrong = append $wrong "tools.image: expected an image with sh, openssl, curl and awk for the CronJobs, got nothing" -}}
{{- end -}}
{{- $image := $values.tools.image | default "" -}}
{{- if and $image (or (hasSuffix ":latest" $image) (not (regexMatch "(:[^/]+|@sha256:[0-9a-f]{64})$" $image))) -}}
{{- $wrong = append $wrong "tools.image: expected a tag or a digest, got latest or none: what runs would change by itself" -}}
{{- end -}}
{{- range tuple (tuple "module.tag" $values.module.tag) (tuple "envoy.tag" $values.envoy.tag) -}}
{{- if regexMatch "^(latest|dev|main|.*-latest|.*-dev)$" (index . 1) -}}
{{- $wrong = append $wrong (printf "%s: expected the tag of one release, got %s: what runs would change by itself" (index . 0) (index . 1)) -}}
{{- end -}}
{{- end -}}
{{- if and $values.canary.enabled (ne $values.gateway "envoy") (not $values.canary.service) -}}
{{- $wrong = append $wrong "canary.service: expected the gateway's Service, such as ozone-connect-gateway.ozone-connect.svc, got nothing" -}}
{{- end -}}
{{- $peer := dig "peer" dict ($inbound | default dict) -}}
{{- range tuple
  (tuple "forwarded_header" (and (kindIs "map" $peer.source) (hasKey ($peer.source | default dict) "forwarded_header")) "the filter then believes the proxy in front, and whoever connects directly has no certificate")
  (tuple "allow_unpinned" $peer.allow_unpinned "the canary's certificate is then as good as the Hub's")
-}}
{{- if and $values.canary.enabled (index . 1) -}}
{{- $wrong = append $wrong (printf "canary.enabled: expected false beside %s of the filter's peer, got true: %s" (index . 0) (index . 2)) -}}
{{- end -}}
{{- end -}}
{{- $named := list -}}
{{- range $values.variables -}}
{{- if has .name $named -}}
{{- $wrong = append $wrong (printf "variables: expected each name once, got %s twice" .name) -}}
{{- end -}}
{{- $named = append $named .name -}}
{{- end -}}
{{- range regexFindAll "\"env\": *\"[^\"]*\"" (mustToRawJson $values.filter) -1 -}}
{{- $name := trimSuffix "\"" (regexReplaceAll "\"env\": *\"" . "") -}}
{{- if not (has $name $named) -}}
{{- $wrong = append $wrong (printf "variables: expected %s, which the filter's configuration names, got nothing: the filter would not see it" $name) -}}
{{- end -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\nThe values are wrong:\n- %s\n" (join "\n- " $wrong)) -}}
{{- end -}}
{{- end }}
