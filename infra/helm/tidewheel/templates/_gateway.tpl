{{- /* The Gateways that the pages' routes join, as JSON: a list of ParentReferences under `items`. */}}
{{- define "tidewheel.parentRefs" -}}
{{- $own := list (dict "name" "tidewheel") -}}
{{ dict "items" (ternary $own .Values.gateway.parentRefs .Values.gateway.enabled) | toJson }}
{{- end }}

{{- /* The pages that have a route, as JSON: host name and port by component. */}}
{{- define "tidewheel.pages" -}}
{{- $pages := dict -}}
{{- if (include "tidewheel.parentRefs" . | fromJson).items -}}
{{- if and .Values.airflow.enabled .Values.gateway.airflowHostname }}{{ $_ := set $pages "airflow" (dict "hostname" .Values.gateway.airflowHostname "port" 8080) }}{{ end -}}
{{- if and .Values.mlflow.enabled .Values.gateway.mlflowHostname }}{{ $_ := set $pages "mlflow" (dict "hostname" .Values.gateway.mlflowHostname "port" 5000) }}{{ end -}}
{{- end -}}
{{ $pages | toJson }}
{{- end }}

{{- /* The Gateway that models' routes join, as NAMESPACE/NAME. */}}
{{- define "tidewheel.servingGateway" -}}
{{- $parents := (include "tidewheel.parentRefs" . | fromJson).items -}}
{{- if .Values.serving.gateway -}}
{{ .Values.serving.gateway }}
{{- else if $parents -}}
{{- $first := first $parents -}}
{{ $first.namespace | default .Release.Namespace }}/{{ $first.name }}
{{- else -}}
{{- fail "serving.enabled is true and no Gateway is named; set serving.gateway to NAMESPACE/NAME of one that is there, name it in gateway.parentRefs, or set gateway.enabled" -}}
{{- end -}}
{{- end }}
