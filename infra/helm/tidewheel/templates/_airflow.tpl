{{- /* One of Airflow's processes without pages, as a StatefulSet, since the API server fetches logs by the pod's name:
  (dict "root" . "name" "scheduler" "args" (list …) "job" "SchedulerJob" "logs" port or 0 "token" true "values" .Values.airflow.scheduler "grace" seconds). */}}
{{- define "tidewheel.airflowProcess" -}}
{{- $root := .root -}}
apiVersion: v1
kind: Service
metadata:
  name: tidewheel-airflow-{{ .name }}
  labels: {{ include "tidewheel.labels" $root | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true # a task's log is there before its scheduler is ready
  selector: {{ include "tidewheel.selector" (print "airflow-" .name) | nindent 4 }}
  ports: [{name: logs, port: {{ .logs | default 8793 }}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: tidewheel-airflow-{{ .name }}
  labels: {{ include "tidewheel.labels" $root | nindent 4 }}
spec:
  serviceName: tidewheel-airflow-{{ .name }}
  replicas: 1
  selector:
    matchLabels: {{ include "tidewheel.selector" (print "airflow-" .name) | nindent 6 }}
  template:
    metadata:
      labels: {{ include "tidewheel.selector" (print "airflow-" .name) | nindent 8 }}
      annotations: {{ include "tidewheel.checksums" $root | nindent 8 }}
    spec:
      serviceAccountName: {{ ternary "tidewheel-airflow" "tidewheel-services" .token }}
      terminationGracePeriodSeconds: {{ .grace }}
      {{- include "tidewheel.pod" (dict "root" $root "token" .token) | nindent 6 }}
      initContainers: {{ include "tidewheel.await" (dict "root" $root "airflow" true) | nindent 8 }}
      containers:
        - name: {{ .name }}
          image: {{ include "tidewheel.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [airflow, {{ join ", " .args }}]
          {{- include "tidewheel.containerSecurity" $root | nindent 10 }}
          {{- if .logs }}
          ports: [{name: logs, containerPort: {{ .logs }}}]
          {{- end }}
          envFrom: {{ include "tidewheel.airflowEnvFrom" $root | nindent 12 }}
          env: {{ include "tidewheel.airflowEnv" $root | nindent 12 }}
          # No requests come to it, so there is nothing to be ready for once it has started.
          startupProbe: {exec: {command: [python, -m, infra.helm.heartbeat, {{ .job }}, --started]}, initialDelaySeconds: 10, periodSeconds: 5, timeoutSeconds: 15, failureThreshold: 60}
          livenessProbe: {exec: {command: [python, -m, infra.helm.heartbeat, {{ .job }}]}, periodSeconds: 60, timeoutSeconds: 30, failureThreshold: 3}
          volumeMounts: {{ include "tidewheel.mounts" $root | nindent 12 }}
          resources: {{ toYaml .values.resources | nindent 12 }}
      volumes:
        {{- include "tidewheel.volumes" $root | nindent 8 }}
        {{- if not .values.storage }}
        - {name: state, emptyDir: {}}
        {{- end }}
  {{- if .values.storage }}
  volumeClaimTemplates:
    - metadata: {name: state}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .values.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .values.storage }}}}
  {{- end }}
{{- end }}
