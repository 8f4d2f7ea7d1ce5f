{{- define "tidewheel.labels" -}}
app.kubernetes.io/part-of: tidewheel
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Labels that selectors use; they never change. */}}
{{- define "tidewheel.selector" -}}
app.kubernetes.io/part-of: tidewheel
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "tidewheel.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- define "tidewheel.databaseHost" -}}
{{ if .Values.postgresql.enabled }}tidewheel-postgresql{{ else }}{{ .Values.postgresql.external.host }}{{ end }}
{{- end }}

{{- define "tidewheel.mlflowUrl" -}}
{{ if .Values.mlflow.enabled }}http://tidewheel-mlflow:5000{{ else }}{{ .Values.mlflow.url }}{{ end }}
{{- end }}

{{- /* SQLAlchemy URL of one database: (dict "root" . "password" … "database" …). */}}
{{- define "tidewheel.databaseUrl" -}}
{{- $external := .root.Values.postgresql.external -}}
{{- $user := ternary "tidewheel" $external.username .root.Values.postgresql.enabled -}}
{{- $port := ternary 5432 (int $external.port) .root.Values.postgresql.enabled -}}
postgresql+psycopg2://{{ $user | urlquery }}:{{ .password | urlquery | replace "+" "%20" }}@{{ include "tidewheel.databaseHost" .root }}:{{ $port }}/{{ .database }}
{{- end }}

{{- /* What every pod of ours has in its spec. */}}
{{- define "tidewheel.pod" -}}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user | default 10001 }}
  runAsGroup: {{ .user | default 10001 }}
  fsGroup: {{ .user | default 10001 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tidewheel.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* Mounts of our image's containers; the pod has the volumes of "tidewheel.volumes" and one called `state`. */}}
{{- define "tidewheel.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: state, mountPath: /state}
- {name: pod-templates, mountPath: /etc/tidewheel, readOnly: true}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tidewheel.volumes" -}}
- {name: tmp, emptyDir: {}}
- {name: pod-templates, configMap: {name: tidewheel-pod-templates}}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Environment of our image's containers: settings, then the jobs' Secret. */}}
{{- define "tidewheel.envFrom" -}}
- configMapRef: {name: tidewheel-settings}
- secretRef: {name: tidewheel}
{{- end }}

{{- /* One variable from the platform's Secret: (list . NAME). */}}
{{- define "tidewheel.secretEnv" -}}
{{- $root := index . 0 }}{{ $name := index . 1 -}}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $root.Values.secrets.platform }}, key: {{ $name }}}}
{{- end }}

{{- define "tidewheel.airflowEnvFrom" -}}
{{ include "tidewheel.envFrom" . }}
- configMapRef: {name: tidewheel-airflow}
{{- end }}

{{- define "tidewheel.airflowEnv" -}}
{{- $root := . -}}
{{- range tuple "AIRFLOW__CORE__FERNET_KEY" "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" "AIRFLOW__API__SECRET_KEY" "AIRFLOW__API_AUTH__JWT_SECRET" "TIDEWHEEL_AIRFLOW_PASSWORD" }}
{{ include "tidewheel.secretEnv" (list $root .) }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Waits until databases and tables are there. */}}
{{- define "tidewheel.await" -}}
- name: await-databases
  image: {{ include "tidewheel.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [python, -m, infra.helm.databases, await]
  {{- include "tidewheel.containerSecurity" .root | nindent 2 }}
  envFrom: {{ include (ternary "tidewheel.airflowEnvFrom" "tidewheel.envFrom" .airflow) .root | nindent 4 }}
  {{- if .airflow }}
  env: {{ include "tidewheel.airflowEnv" .root | nindent 4 }}
  {{- end }}
  volumeMounts: {{ include "tidewheel.mounts" .root | nindent 4 }}
  resources: {{ toYaml .root.Values.prepare.resources | nindent 4 }}
{{- end }}

{{- /* A pod is replaced when what it reads at its start has changed. Of the Secrets only the values count: what is made at
  random is made once. */}}
{{- define "tidewheel.checksums" -}}
{{- $values := .Values -}}
tidewheel/settings: {{ include (print .Template.BasePath "/settings.yaml") . | sha256sum }}
tidewheel/secrets: {{ list $values.postgresql.enabled $values.postgresql.external $values.s3.enabled $values.lake.options $values.mlflow.username $values.mlflow.password | toJson | sha256sum }}
{{- end }}

{{- /* A pod template with the pull secrets of all pods: (dict "root" . "template" .Values.jobs.podTemplate). */}}
{{- define "tidewheel.podTemplate" -}}
{{- $template := deepCopy .template -}}
{{- with .root.Values.imagePullSecrets }}
{{- $_ := set $template.spec "imagePullSecrets" (concat . ($template.spec.imagePullSecrets | default list) | uniq) }}
{{- end }}
{{- toYaml $template }}
{{- end }}

{{- /* Labels of objects for the Prometheus Operator, which may select by them. */}}
{{- define "tidewheel.monitorLabels" -}}
{{ include "tidewheel.labels" . }}
{{- with .Values.metrics.monitorLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
