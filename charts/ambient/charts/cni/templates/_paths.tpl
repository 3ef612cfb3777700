{{/* Where a platform keeps the plugins, their configuration, and the network namespaces of pods. */}}
{{- define "cni.paths" -}}
{{- $defaults := dict "bin" "/opt/cni/bin" "conf" "/etc/cni/net.d" "netns" "/var/run/netns" -}}
{{- $platforms := dict
  "gke" (dict "bin" "/home/kubernetes/bin")
  "k3s" (dict "bin" "/var/lib/rancher/k3s/data/cni" "conf" "/var/lib/rancher/k3s/agent/etc/cni/net.d")
  "k3d" (dict "bin" "/bin" "conf" "/var/lib/rancher/k3s/agent/etc/cni/net.d")
  "microk8s" (dict "bin" "/var/snap/microk8s/current/opt/cni/bin" "conf" "/var/snap/microk8s/current/args/cni-network")
  "minikube" (dict "netns" "/var/run/docker/netns")
  "openshift" (dict "bin" "/var/lib/cni/bin" "conf" "/etc/cni/multus/net.d") -}}
{{- $own := dict "bin" .Values.cniBinDir "conf" .Values.cniConfDir "netns" .Values.cniNetnsDir -}}
{{- $platform := get $platforms .Values.global.platform | default dict -}}
{{- range $key, $default := $defaults }}
{{ $key }}: {{ get $own $key | default (get $platform $key) | default $default }}
{{- end -}}
{{- end -}}

{{/* One switch; Istio's name for it is an alias, and a contradiction ends the installation. */}}
{{- define "cni.redirectMode" -}}
{{- $mode := .Values.redirectMode -}}
{{- if and .Values.global.nativeNftables (eq $mode "iptables") -}}
{{- fail "global.nativeNftables is true and cni.redirectMode is iptables: take one of them away" -}}
{{- end -}}
{{- if and $mode (not (has $mode (list "iptables" "nftables"))) -}}
{{- fail (printf "cni.redirectMode is %q: it is iptables or nftables" $mode) -}}
{{- end -}}
{{- $mode | default (ternary "nftables" "iptables" .Values.global.nativeNftables) -}}
{{- end -}}
