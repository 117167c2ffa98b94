{{- define "tryskills.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of one component: dict "root" $ "component" "keys" */}}
{{- define "tryskills.selector" -}}
app.kubernetes.io/name: tryskills
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "tryskills.labels" -}}
{{ include "tryskills.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "tryskills.image" -}}
{{- $own := (index .root.Values.services (.component | default "gateway")).tag -}}
{{ .root.Values.image.registry }}/{{ .image }}:{{ $own | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{/* NATS_URL of one user; the password comes from the environment. */}}
{{- define "tryskills.natsUrl" -}}
{{- $scheme := ternary "tls" "nats" (and (not .root.Values.nats.enabled) .root.Values.nats.tls) -}}
{{- $own := printf "%s-nats:4222" (include "tryskills.name" .root) -}}
{{- $servers := ternary $own .root.Values.nats.servers .root.Values.nats.enabled -}}
{{- if not $servers }}{{ fail "nats.enabled=false needs nats.servers" }}{{ end -}}
{{- range $index, $server := splitList "," $servers -}}
{{- if $index }},{{ end -}}
{{ $scheme }}://{{ if not $index }}{{ $.component }}:$(NATS_PASSWORD)@{{ end }}{{ trim $server }}
{{- end -}}
{{- end -}}

{{- define "tryskills.secretVariable" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.global.secret }}
      key: {{ .key | default .variable }}
      {{- if not .required }}
      optional: true
      {{- end }}
{{- end -}}

{{- define "tryskills.host" -}}
{{- get (urlParse .) "hostname" -}}
{{- end -}}
