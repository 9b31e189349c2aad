{{/* What the pods of all CronJobs have. */}}
{{- define "hub-auth-filter.job-pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: Never
securityContext:
  {{- include "hub-auth-filter.pod-security" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What their containers have. */}}
{{- define "hub-auth-filter.job-container" -}}
image: {{ .Values.tools.image }}
imagePullPolicy: IfNotPresent
securityContext:
  {{- include "hub-auth-filter.container-security" . | nindent 2 }}
resources:
  requests: {cpu: 10m, memory: 32Mi}
  limits: {memory: 128Mi}
{{- end }}
