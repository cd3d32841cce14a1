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

{{/* The authority of a certificate of one's own. */}}
{{- define "stategate.caBundle" -}}
{{- if eq .Values.tls.source "secret" }}
{{- if not (or .Values.tls.caBundle .Values.webhooks.annotations (eq .Values.webhooks.mode "none")) }}
{{- fail "tls.caBundle: give the certificate authority (PEM) that has signed the certificate in tls.secretName, or the annotation in webhooks.annotations that has it filled in" }}
{{- end }}
{{- .Values.tls.caBundle }}
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

{{/* Whether these values need a rule of a role. */}}
{{- define "stategate.needs" -}}
{{- $mode := .root.Values.webhooks.mode }}
{{- if eq .name "stategate-reports" }}{{ .root.Values.policyReports.enabled }}
{{- else if eq .name "stategate-events" }}{{ .root.Values.events.enabled }}
{{- else if eq .name "stategate-webhooks" }}{{ or (eq $mode "manage") (and (eq $mode "report") (has "delete" .rule.verbs)) }}
{{- else if or (eq .name "stategate-certificates") (has "secrets" .rule.resources) }}{{ eq .root.Values.tls.source "self" }}
{{- else if has "endpointslices" .rule.resources }}{{ eq $mode "manage" }}
{{- else }}true
{{- end }}
{{- end }}
