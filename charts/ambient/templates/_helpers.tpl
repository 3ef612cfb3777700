{{/* An image of the mesh. Fails in words when nobody has said where the images are. */}}
{{- define "ambient.image" -}}
{{- $global := .root.Values.global -}}
{{- if not $global.hub -}}
{{- fail "global.hub is empty: say where the images are, such as --set global.hub=registry.example.com/ambient --set global.tag=0.1.0 (npm run images builds them)" -}}
{{- end -}}
{{- if not (toString $global.tag) -}}
{{- fail "global.tag is empty: say which version of the images to run, such as --set global.tag=0.1.0" -}}
{{- end -}}
{{ $global.hub }}/{{ .name }}:{{ $global.tag }}
{{- end -}}

{{- define "ambient.labels" -}}
app: {{ .app }}
app.kubernetes.io/name: {{ .app }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: ambient
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "ambient.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
