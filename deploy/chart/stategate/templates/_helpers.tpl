{{/* What selects the Pods. */}}
{{- define "stategate.selector" -}}
app.kubernetes.io/name: stategate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "stategate.labels" -}}
{{ include "stategate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "stategate.image" -}}
{{- $repository := required "image.repository: name the image of stategate, such as registry.example.com/stategate" .Values.image.repository -}}
{{- with .Values.image.digest }}{{ printf "%s@%s" $repository . }}
{{- else }}{{ printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "stategate.tlsSecret" -}}
{{- if eq .Values.tls.source "secret" -}}
{{ required "tls.secretName: name the Secret that has tls.crt and tls.key" .Values.tls.secretName }}
{{- else -}}
stategate-tls
{{- end }}
{{- end }}

{{/* The annotations of the webhook configurations: who fills in their caBundles. */}}
{{- define "stategate.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhooks.annotations }}
{{- if and (eq .Values.tls.source "certManager") (eq .Values.webhooks.mode "report") }}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/stategate" .Release.Namespace) }}
{{- end }}
{{- $annotations | toJson }}
{{- end }}

{{/* The verbs of a rule that these values need: all, or those about webhook configurations that are made or changed. */}}
{{- define "stategate.verbs" -}}
{{- $verbs := .rule.verbs }}
{{- if has "admissionregistration.k8s.io" .rule.apiGroups }}
{{- $needed := list }}
{{- if eq .root.Values.webhooks.mode "manage" }}{{ $needed = concat $needed (list "get" "create" "update" "delete") }}{{ end }}
{{- if eq .root.Values.webhooks.mode "report" }}{{ $needed = concat $needed (list "get") }}{{ end }}
{{- if eq .root.Values.tls.source "self" }}{{ $needed = concat $needed (list "get" "patch") }}{{ end }}
{{- $kept := list }}
{{- range $verbs }}{{ if has . $needed }}{{ $kept = append $kept . }}{{ end }}{{ end }}
{{- $verbs = $kept }}
{{- else if has "secrets" .rule.resources }}
{{- if ne .root.Values.tls.source "self" }}{{ $verbs = list }}{{ end }}
{{- else if or (has "clusterrolebindings" .rule.resources) (has "endpointslices" .rule.resources) }}
{{- if ne .root.Values.webhooks.mode "manage" }}{{ $verbs = list }}{{ end }}
{{- end }}
{{- $verbs | toJson }}
{{- end }}
