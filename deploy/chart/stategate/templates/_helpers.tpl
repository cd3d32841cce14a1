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

{{/* The certificate authority and the serving certificate, made once: an upgrade keeps those of the Secret. */}}
{{- define "stategate.generated" -}}
{{- $stored := lookup "v1" "Secret" .Release.Namespace "stategate-tls" -}}
{{- if and $stored (index ($stored.data | default dict) "ca.crt") -}}
{{- $expires := index ($stored.metadata.annotations | default dict) "stategate.io/certificate-expires" | default "unknown" -}}
{{- dict "expires" $expires "data" (pick $stored.data "ca.crt" "tls.crt" "tls.key") | toJson }}
{{- else -}}
{{- $days := int .Values.tls.days -}}
{{- $names := list (printf "stategate.%s.svc" .Release.Namespace) (printf "stategate.%s.svc.cluster.local" .Release.Namespace) -}}
{{- $ca := genCA "stategate" $days -}}
{{- $serving := genSignedCert "stategate" nil $names $days $ca -}}
{{- $expires := now | dateModify (printf "+%dh" (mul 24 $days)) | date "2006-01-02" -}}
{{- $data := dict "ca.crt" ($ca.Cert | b64enc) "tls.crt" ($serving.Cert | b64enc) "tls.key" ($serving.Key | b64enc) -}}
{{- dict "expires" $expires "data" $data | toJson }}
{{- end }}
{{- end }}
