{{/* What each service reads beside what all read, from values; see the READMEs of the services. */}}
{{- define "tryskills.env.gateway" -}}
GATEWAY_AUTH: oidc
GATEWAY_PUBLIC_URL: {{ required "gateway.publicUrl must be given" .Values.gateway.publicUrl | quote }}
GATEWAY_OIDC_ISSUER: {{ required "gateway.oidc.issuer must be given" .Values.gateway.oidc.issuer | quote }}
GATEWAY_OIDC_AUDIENCE: {{ required "gateway.oidc.audience must be given" .Values.gateway.oidc.audience | quote }}
GATEWAY_OIDC_CLIENT_ID: {{ .Values.gateway.oidc.clientId | quote }}
GATEWAY_TRUSTED_PROXIES: {{ .Values.gateway.trustedProxies | join "," | quote }}
{{- end -}}

{{- define "tryskills.env.keys" -}}
KEYS_DEFAULT_PROVIDER: openrouter
{{- end -}}

{{- define "tryskills.env.skill-resolver" -}}
SKILL_RESOLVER_OWN_HOSTS: {{ include "tryskills.host" .Values.gateway.publicUrl | quote }}
{{- end -}}

{{- define "tryskills.env.sandbox-manager" -}}
DAYTONA_API_URL: {{ required "daytona.apiUrl must be given" .Values.daytona.apiUrl | quote }}
RELAY_PUBLIC_URL: {{ required "relay.publicUrl must be given" .Values.relay.publicUrl | quote }}
{{- end -}}

{{- define "tryskills.env.chat-proxy" -}}
{}
{{- end -}}

{{- define "tryskills.env.relay" -}}
{}
{{- end -}}
