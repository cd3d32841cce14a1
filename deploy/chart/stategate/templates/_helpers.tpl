{{/* What selects the Pods. */}}
{{- define "stategate.selector" -}}
app.kubernetes.io/name: stategate
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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
{{- /* Each source has a Secret of its own: what one has made, another neither uses nor replaces. */}}
{{- else if eq .Values.tls.source "certManager" -}}
stategate-tls-cert-manager
{{- else -}}
stategate-tls
{{- end }}
{{- end }}

{{/* How many seconds a certificate lives. */}}
{{- define "stategate.tlsLifetime" -}}
{{- $unit := dict "s" 1 "m" 60 "h" 3600 "d" 86400 -}}
{{- $seconds := mul (regexFind "^[0-9]+" .Values.tls.lifetime) (get $unit (regexFind "[smhd]$" .Values.tls.lifetime)) -}}
{{- if or (lt $seconds 1800) (gt $seconds 315360000) }}
{{- fail (printf "tls.lifetime: %s is not from 30m to 3650d, so that no Pod would start" .Values.tls.lifetime) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{/* So many seconds before its end, a certificate should have been renewed long ago: 7 days, or half of what is left of
     a short life when it is renewed. */}}
{{- define "stategate.certificateMargin" -}}
{{- min 604800 (div (include "stategate.tlsLifetime" .) 6) }}
{{- end }}

{{/* The data of the ConfigMap. A change of it rolls the Deployment, so that bindings that cannot be loaded show as a new
     Pod that does not become ready, while the others serve. */}}
{{- define "stategate.bindings" -}}
bindings.yaml: |
  # The value `bindings` of the chart.
  {{- range .Values.bindings }}
  ---
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "stategate.caBundle" . }}
ca.crt: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tls.clientCA }}
client-ca.crt: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.traces.caBundle }}
collector-ca.crt: {{ toYaml . | nindent 2 }}
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
