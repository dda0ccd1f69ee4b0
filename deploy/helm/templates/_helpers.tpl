{{- /* Names, labels and what several objects have to agree on. */ -}}

{{- define "pychat.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 45 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- /* The Service without an address of its own: every pod, for Prometheus and for the test. */ -}}
{{- define "pychat.nodes" -}}
{{- printf "%s-nodes" (include "pychat.fullname" .) -}}
{{- end -}}

{{- define "pychat.redis" -}}
{{- printf "%s-redis" (include "pychat.fullname" .) -}}
{{- end -}}

{{- /* Labels that select pods; a component is added to them. They never change over upgrades. */ -}}
{{- define "pychat.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pychat.labels" -}}
{{ include "pychat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pychat.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "pychat.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "pychat.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "pychat.adminSecret" -}}
{{- .Values.admin.existingSecret | default (printf "%s-admin" (include "pychat.fullname" .)) -}}
{{- end -}}

{{- /* How long Kubernetes waits for a pod that stops: the pause before its drain, the drain, the 6 s that a relay may take
       to end after it, and as much again and more for a busy machine. */ -}}
{{- define "pychat.terminationSeconds" -}}
{{- $drainMs := int64 (dig "PYCHAT_DRAIN_MS" 3000 .Values.settings) -}}
{{- add (int64 .Values.preStopSeconds) (div (add $drainMs 999) 1000) 25 -}}
{{- end -}}

{{- /* A value of an environment variable; numbers of YAML are floats, which print as 1e+06. */ -}}
{{- define "pychat.envValue" -}}
{{- if kindIs "float64" . -}}{{- int64 . | toString | quote -}}{{- else -}}{{- toString . | quote -}}{{- end -}}
{{- end -}}

{{- /* Refuses combinations that no schema can. */ -}}
{{- define "pychat.checks" -}}
{{- $redis := .Values.redis -}}
{{- $ways := 0 -}}
{{- range list $redis.url $redis.existingSecret $redis.builtin.enabled -}}
{{- if . -}}{{- $ways = add1 $ways -}}{{- end -}}
{{- end -}}
{{- if eq (int $ways) 0 -}}
{{- fail "Say where rooms live: redis.url or redis.existingSecret for a Redis of yours, or redis.builtin.enabled=true for a trial." -}}
{{- end -}}
{{- if gt (int $ways) 1 -}}
{{- fail "redis.url, redis.existingSecret and redis.builtin.enabled exclude each other; keep one." -}}
{{- end -}}
{{- if and $redis.passwordSecret (not (contains "$(REDIS_PASSWORD)" $redis.url)) -}}
{{- fail "redis.passwordSecret needs a redis.url with $(REDIS_PASSWORD) where the password belongs, like redis://:$(REDIS_PASSWORD)@redis:6379." -}}
{{- end -}}
{{- if and (contains "$(REDIS_PASSWORD)" $redis.url) (not $redis.passwordSecret) -}}
{{- fail "redis.url names $(REDIS_PASSWORD), so redis.passwordSecret has to name the Secret that holds it." -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not .Values.settings.PYCHAT_TRUSTED_PROXIES) -}}
{{- fail "Behind an ingress or a gateway, settings.PYCHAT_TRUSTED_PROXIES has to name its addresses (often the cluster's pod network, like 10.0.0.0/8): otherwise everybody counts as one address against the limits." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts has to name a host." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs has to name a gateway." -}}
{{- end -}}
{{- if lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas) -}}
{{- fail "autoscaling.maxReplicas is less than autoscaling.minReplicas." -}}
{{- end -}}
{{- end -}}
